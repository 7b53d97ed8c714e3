//! The parts of the process that scripts share: its signals, its descriptors, its memory, and the children of scripts.

use crate::ffi;

/// Protects the process from scripts. Programs that scripts start inherit no descriptor that is open now, and
/// a signal that no script handles ends no process. Call it once, after the engine has started.
pub fn own() {
    // SAFETY: changes descriptors' flags and signal handlers, which need no PHP.
    unsafe { ffi::shim_process_own() };
}

/// Opens descriptors that the server keeps for the whole life of the process. A child that a script forks closes them
/// at once. No other thread may open descriptors meanwhile.
pub fn own_descriptors_of<T>(open: impl FnOnce() -> T) -> T {
    // SAFETY: asks the system about descriptors, and writes to a table that no script's thread reads before it has
    // started.
    unsafe { ffi::shim_descriptors_own(false) };
    let made = open();
    // SAFETY: as above.
    unsafe { ffi::shim_descriptors_own(true) };
    made
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

/// The bytes that the C library keeps for the next use. `None`: another one than glibc, which does not say it.
pub fn free_memory() -> Option<u64> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: only reads, under the library's own locks.
        let info = unsafe { libc::mallinfo2() };
        Some(info.fordblks as u64)
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

/// Returns to the system what the C library keeps of freed memory, page by page. It locks each of the library's arenas for as
/// long as it goes through its free pieces: some milliseconds.
pub fn return_memory() {
    // SAFETY: frees nothing that is in use, and needs no other state of the program.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Waits, without blocking, for this process if it is a child.
pub fn reap_one(pid: i32) {
    // SAFETY: a null pointer asks for no status.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
}
