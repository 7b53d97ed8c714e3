//! The timer that PHP makes for each of its threads at the thread's start, for `max_execution_time`. PHP ends the whole process
//! where the system has none left (`Could not create timer`), so each is asked for before.

use std::io;

/// A timer of the system, kept for the PHP thread that is about to make its own.
pub(super) struct Reserved {
    #[cfg(target_os = "linux")]
    timer: libc::timer_t,
}

// SAFETY: a timer is a number of the process's, which any of its threads may use.
#[cfg(target_os = "linux")]
unsafe impl Send for Reserved {}

impl Reserved {
    /// Takes a timer.
    ///
    /// # Errors
    /// The system has none left: timers count as pending signals, of which a user may have `RLIMIT_SIGPENDING`.
    #[cfg(target_os = "linux")]
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: every member of the structure is a number or a pointer, for which zero is allowed.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_NONE;
        let mut timer = std::ptr::null_mut();
        // SAFETY: both pointers are those of local values, which live through the call.
        if unsafe { libc::timer_create(libc::CLOCK_BOOTTIME, &raw mut event, &raw mut timer) } == 0 {
            return Ok(Self { timer });
        }
        let error = io::Error::last_os_error();
        let way_out = "raise the limit of pending signals (`ulimit -i`)";
        Err(io::Error::new(error.kind(), format!("no timer for max_execution_time: {error}; {way_out}")))
    }

    /// Elsewhere PHP uses the one timer of the process.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }
}

#[cfg(target_os = "linux")]
impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: the timer was made by `new`, and is deleted once.
        unsafe { libc::timer_delete(self.timer) };
    }
}
