//! `igor php-cli`: replaces the process by the `php` command of the build that igor was linked with. Exit status,
//! signals and terminal are then those of `php`. The background functions do not exist there (contract line B44).

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Names another `php` than the one of the build.
pub(super) const PROGRAM_VARIABLE: &str = "IGOR_PHP_CLI";

/// Starts `php` in the place of this process, with the arguments after `igor php-cli`. Returns only if that failed,
/// with the reason.
pub(super) fn replace_process() -> String {
    let (program, named) = program(std::env::var_os(PROGRAM_VARIABLE));
    let error = Command::new(&program).args(std::env::args_os().skip(2)).exec();
    let program = program.display();
    match error.kind() {
        ErrorKind::NotFound if named => {
            format!("starting PHP's command line: {PROGRAM_VARIABLE} names {program}, which is not there")
        }
        ErrorKind::NotFound => format!(
            "starting PHP's command line: {program}, with which igor was built, is not there any more; name the php of \
             another PHP by the environment variable {PROGRAM_VARIABLE}"
        ),
        _ => format!("starting PHP's command line {program}: {error}; {PROGRAM_VARIABLE} names another one"),
    }
}

/// The `php` to start, and whether the environment names it.
fn program(variable: Option<OsString>) -> (PathBuf, bool) {
    match variable.filter(|value| !value.is_empty()) {
        Some(value) => (value.into(), true),
        None => (env!("IGOR_PHP_CLI_BUILT").into(), false),
    }
}
