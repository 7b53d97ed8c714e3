//! The variables of a worker script: `$_SERVER` and `getenv()` (contract line B41).

use crate::exchange::{Pairs, SERVER_SOFTWARE};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The variables of one run of a worker script: the script's path, the declared environment, and the worker's name. C
/// puts the process's environment before them.
pub(super) fn server_vars(file: &Path, name: &str, worker: &str, env: &[(String, String)]) -> Pairs {
    let mut vars = Pairs::default();
    let script = file.as_os_str().as_bytes();
    for key in ["PHP_SELF", "SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_TRANSLATED"] {
        vars.set(key.as_bytes(), script);
    }
    vars.set(b"DOCUMENT_ROOT", b"");
    add_own(&mut vars, name, worker, env);
    vars
}

/// The variables while an HTTP worker boots: those of a request without a client, as in FrankenPHP. By them frameworks
/// recognise that they are not on a command line. Variables that come from a client are empty. `PATH_TRANSLATED` and
/// `REMOTE_USER` are absent, as in a request without path info and login.
pub(super) fn boot_vars(file: &Path, name: &str, env: &[(String, String)]) -> Pairs {
    let mut vars = Pairs::default();
    let script = file.as_os_str().as_bytes();
    let folder = file.parent().map_or(&b""[..], |folder| folder.as_os_str().as_bytes());
    let url = [b"/", file.file_name().unwrap_or_default().as_bytes()].concat();
    for key in ["PHP_SELF", "SCRIPT_NAME", "DOCUMENT_URI", "REQUEST_URI"] {
        vars.push(key.as_bytes(), &url);
    }
    vars.push(b"SCRIPT_FILENAME", script);
    vars.push(b"DOCUMENT_ROOT", folder);
    for (key, value) in BOOT_VARS {
        vars.push(key.as_bytes(), value.as_bytes());
    }
    add_own(&mut vars, name, "1", env);
    vars
}

/// The part that is the same in every boot.
const BOOT_VARS: &[(&str, &str)] = &[
    ("AUTH_TYPE", ""),
    ("CONTENT_LENGTH", ""),
    ("CONTENT_TYPE", ""),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("HTTPS", ""),
    ("HTTP_HOST", ""),
    ("PATH_INFO", ""),
    ("QUERY_STRING", ""),
    ("REMOTE_ADDR", ""),
    ("REMOTE_HOST", ""),
    ("REMOTE_IDENT", ""),
    ("REMOTE_PORT", ""),
    ("REQUEST_METHOD", "GET"),
    ("REQUEST_SCHEME", "http"),
    ("SERVER_NAME", ""),
    ("SERVER_PORT", "80"),
    ("SERVER_PROTOCOL", "HTTP/1.1"),
    ("SERVER_SOFTWARE", SERVER_SOFTWARE),
    ("SSL_CIPHER", ""),
    ("SSL_PROTOCOL", ""),
];

/// The variables of each request of an HTTP worker besides its own.
pub(super) fn request_vars(name: &str, worker: &str, env: &[(String, String)]) -> Pairs {
    let mut vars = Pairs::default();
    add_own(&mut vars, name, worker, env);
    vars
}

/// The worker's own variables, and those by which frameworks notice that they run in a worker.
fn add_own(vars: &mut Pairs, name: &str, worker: &str, env: &[(String, String)]) {
    env.iter().for_each(|(key, value)| vars.set(key.as_bytes(), value.as_bytes()));
    vars.set(b"FRANKENPHP_WORKER", worker.as_bytes());
    vars.set(b"FRANKENPHP_WORKER_NAME", name.as_bytes());
}

/// A path for PHP. Paths with a NUL cannot come out of the configuration.
pub(super) fn script_path(file: &Path) -> CString {
    CString::new(file.as_os_str().as_bytes()).unwrap_or_default()
}
