//! What belongs to the process while scripts run in it: its signals, its descriptors, and the children of scripts.

use crate::ffi;

/// Takes the process for the server alone. Programs that scripts start inherit nothing of what is open now, and a signal
/// that no script handles ends nothing. To be called once, when the engine has started.
pub fn own() {
    // SAFETY: changes descriptors' flags and signal handlers, which need no PHP.
    unsafe { ffi::shim_process_own() };
}

/// Waits, without blocking, for the children that scripts have started and left behind. Returns how many still run.
pub fn reap() -> usize {
    // SAFETY: works on a list of its own, under its lock.
    unsafe { ffi::shim_reap() }
}

/// The numbers of the signals that came since the last call and that no script handled.
pub fn ignored_signals() -> Vec<i32> {
    // SAFETY: exchanges one number.
    let set = unsafe { ffi::shim_signals_ignored() };
    (1..=64).filter(|signal| set & (1 << (signal - 1)) != 0).collect()
}

/// Waits, without blocking, for this process if it is a child.
pub fn reap_one(pid: i32) {
    // SAFETY: a null pointer asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
}
