//! What a worker script finds in `$_SERVER` and `getenv()` (contract line B41).

use crate::exchange::ServerVar;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The variables of one run of a worker script: the process's environment, as PHP's command line has it, the script's
/// path, the declared environment, and what says which worker it is.
pub(super) fn server_vars(file: &Path, name: &str, worker: &str, env: &[(String, String)]) -> Vec<ServerVar> {
    let mut vars = Vec::new();
    for (key, value) in std::env::vars_os() {
        push(&mut vars, &key, value.as_bytes());
    }
    let script = file.as_os_str();
    for key in ["PHP_SELF", "SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_TRANSLATED"] {
        push(&mut vars, key.as_ref(), script.as_bytes());
    }
    push(&mut vars, "DOCUMENT_ROOT".as_ref(), b"");
    add_own(&mut vars, name, worker, env);
    vars
}

/// What each request of an HTTP worker finds beside its own variables.
pub(super) fn request_vars(name: &str, worker: &str, env: &[(String, String)]) -> Vec<ServerVar> {
    let mut vars = Vec::new();
    add_own(&mut vars, name, worker, env);
    vars
}

fn add_own(vars: &mut Vec<ServerVar>, name: &str, worker: &str, env: &[(String, String)]) {
    for (key, value) in env {
        push(vars, key.as_ref(), value.as_bytes());
    }
    push(vars, "FRANKENPHP_WORKER".as_ref(), worker.as_bytes());
    push(vars, "FRANKENPHP_WORKER_NAME".as_ref(), name.as_bytes());
}

/// A later entry replaces an earlier one: `getenv()` takes the first that it finds.
fn push(vars: &mut Vec<ServerVar>, key: &OsStr, value: &[u8]) {
    let Ok(name) = CString::new(key.as_bytes()) else { return };
    let value = value.to_vec();
    match vars.iter_mut().find(|var| var.name == name) {
        Some(var) => var.value = value,
        None => vars.push(ServerVar { name, value }),
    }
}

/// A path as PHP takes it. Paths with a NUL cannot come out of the configuration.
pub(super) fn script_path(file: &Path) -> CString {
    CString::new(file.as_os_str().as_bytes()).unwrap_or_default()
}
