//! Where a package has put PHP. The build's own path is part of libphp; a package keeps PHP in a folder beside the program:
//!
//! | | Debian's package | the tarball |
//! |---|---|---|
//! | program | `/usr/bin/igor` | `igor-VERSION/bin/igor` |
//! | PHP's library, `extensions/`, `bin/php` | `/usr/lib/igor` | `igor-VERSION/lib/igor` |
//! | `php.ini`, `php.d/` | `/etc/igor` | `igor-VERSION/etc/igor` |
//!
//! PHP learns all of it from the environment, as the `php` that scripts start does.

use super::output::complain;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the folder of PHP. `packaging/php.d/10-igor.ini` and `c/opcache.c` read it.
const LIBRARY_FOLDER: &str = "IGOR_LIB";

/// Starts the program again with what PHP needs to know of its place: the environment of a running process cannot be changed
/// without a race. Returns where there is nothing to say, or if that failed.
pub(super) fn enter() {
    let Ok(program) = std::env::current_exe() else { return };
    let Some(library) = library_folder(&program).filter(|library| library.join("libphp.so").is_file()) else { return };
    if std::env::var_os(LIBRARY_FOLDER).is_some_and(|entered| entered == library.as_os_str()) {
        return;
    }
    let mut words = std::env::args_os();
    let mut again = Command::new(program);
    again.arg0(words.next().unwrap_or_else(|| OsString::from("igor"))).args(words);
    let defaults = variables(&library).into_iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let error = again.envs(defaults).env(LIBRARY_FOLDER, &library).exec();
    complain(&format!("igor: starting with the PHP in {}: {error}\n", library.display()));
}

/// `bin/igor` has its PHP in `lib/igor`.
fn library_folder(program: &Path) -> Option<PathBuf> {
    Some(program.parent()?.parent()?.join("lib/igor"))
}

/// The settings of `/usr/bin/igor` are in `/etc`, as everywhere.
fn settings_folder(library: &Path) -> PathBuf {
    match library.parent().and_then(Path::parent) {
        Some(root) if root != Path::new("/usr") => root.join("etc/igor"),
        _ => PathBuf::from("/etc/igor"),
    }
}

/// What PHP reads of the environment, and `igor php-cli`. A variable that is set already wins.
fn variables(library: &Path) -> [(&'static str, PathBuf); 3] {
    let settings = settings_folder(library);
    [
        ("PHP_INI_SCAN_DIR", settings.join("php.d")),
        ("PHPRC", settings),
        (super::php_cli::PROGRAM_VARIABLE, library.join("bin/php")),
    ]
}

/// Where PHP is.
pub(super) fn php_folder() -> PathBuf {
    std::env::var_os(LIBRARY_FOLDER).map_or_else(|| env!("IGOR_PHP_PREFIX").into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_and_a_tarball_have_their_settings_where_users_look() {
        let settings = |program: &str| library_folder(Path::new(program)).map(|library| settings_folder(&library));
        assert_eq!(settings("/usr/bin/igor"), Some("/etc/igor".into()));
        assert_eq!(settings("/opt/igor-0.1.0/bin/igor"), Some("/opt/igor-0.1.0/etc/igor".into()));
        assert_eq!(settings("/usr/local/bin/igor"), Some("/usr/local/etc/igor".into()));
    }
}
