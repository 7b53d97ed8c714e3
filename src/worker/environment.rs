//! What a worker script finds in `$_SERVER` and `getenv()` (contract line B41).

use crate::exchange::Pairs;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The variables of one run of a worker script: the script's path, the declared environment, and what says which worker it
/// is. C puts the process's environment before them.
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

/// What each request of an HTTP worker finds beside its own variables.
pub(super) fn request_vars(name: &str, worker: &str, env: &[(String, String)]) -> Pairs {
    let mut vars = Pairs::default();
    add_own(&mut vars, name, worker, env);
    vars
}

fn add_own(vars: &mut Pairs, name: &str, worker: &str, env: &[(String, String)]) {
    for (key, value) in env {
        vars.set(key.as_bytes(), value.as_bytes());
    }
    vars.set(b"FRANKENPHP_WORKER", worker.as_bytes());
    vars.set(b"FRANKENPHP_WORKER_NAME", name.as_bytes());
}

/// A path as PHP takes it. Paths with a NUL cannot come out of the configuration.
pub(super) fn script_path(file: &Path) -> CString {
    CString::new(file.as_os_str().as_bytes()).unwrap_or_default()
}
