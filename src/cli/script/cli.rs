//! `igor-php`: runs a script like PHP's command line.

use super::{Invocation, Source, absolute, c_string};
use crate::exchange::{CommandLine, Interface, Pairs, RequestHead};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

pub(super) const USAGE: &str = "\
Usage: igor-php [options] [-f] FILE [--] [arguments]
       igor-php [options] -r CODE [--] [arguments]
       igor-php [options] [-] [--] [arguments]   (the script is read from the standard input)

  -n              read no php.ini
  -c PATH         read php.ini from this file or folder
  -d NAME=VALUE   set a php.ini setting; igor.config=FILE names a Caddyfile whose background workers run beside the script
  -f FILE         run this file
  -r CODE         run this code, without <?php
  -q, -C          nothing: for compatibility
  -v, -m, -i      show the version, the modules, phpinfo()
  -h              show this
  --threads N     run the script on N threads at once, print the output once, and fail when the threads do not end alike;
                  also the environment variable IGOR_PHP_THREADS
";

/// The settings that PHP's command line forces, and those that make errors visible.
pub(super) const SETTINGS: [(&str, &str); 8] = [
    ("html_errors", "0"),
    ("display_errors", "1"),
    ("log_errors", "0"),
    ("implicit_flush", "1"),
    ("output_buffering", "0"),
    ("max_execution_time", "0"),
    ("max_input_time", "-1"),
    ("register_argc_argv", "1"),
];

/// The values of `$argv[0]` and `$_SERVER['SCRIPT_NAME']` for code that is not in a file; PHP's own words.
pub(super) const NO_FILE: &str = "Standard input code";

/// `$_SERVER` as PHP's own command fills it: the same name four times, and no folder of documents.
fn server_vars(name: &OsStr) -> Pairs {
    let mut server_vars = Pairs::default();
    let keys = ["PHP_SELF", "SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_TRANSLATED"];
    keys.iter().for_each(|key| server_vars.push(key.as_bytes(), name.as_bytes()));
    server_vars.push(b"DOCUMENT_ROOT", b"");
    server_vars
}

/// The script as a request. Its `$_SERVER` equals that of PHP's command line.
///
/// # Errors
/// There is no such script, or a NUL in the command line.
pub(super) fn head(invocation: &Invocation) -> Result<RequestHead, String> {
    let (name, file, code) = match &invocation.source {
        Source::File(file) if !Path::new(file).exists() => {
            return Err(format!("opening the script {}: there is no such file", file.display()));
        }
        Source::File(file) => (file.as_os_str(), absolute(Path::new(file)), None),
        Source::Code(code) => (OsStr::new(NO_FILE), PathBuf::new(), Some(code)),
        Source::StandardInput => (OsStr::new(NO_FILE), PathBuf::new(), None),
    };
    let arguments = std::iter::once(name).chain(invocation.arguments.iter().map(|argument| argument.as_os_str()));
    Ok(RequestHead {
        script: c_string(file)?,
        method: c"GET".to_owned(),
        protocol: 1000,
        server_vars: server_vars(name),
        command: Some(CommandLine {
            arguments: arguments.map(c_string).collect::<Result<_, _>>()?,
            code: code.map(c_string).transpose()?,
            interface: Interface::Cli,
        }),
        ..RequestHead::default()
    })
}
