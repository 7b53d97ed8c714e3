//! Ends scripts that run longer than their `max_execution_time`. PHP creates a system timer for each request, and exits
//! the whole process if the system has none left. In our own programs one thread checks the deadlines of all PHP
//! threads instead (`c/time_limit.c`). In a program that does not export our functions, a PHP thread still needs a
//! timer, so each thread gets its own first.

use crate::ffi;
use crate::signals::SignalMask;
use once_cell::sync::OnceCell;
use std::io;
use std::thread::JoinHandle;

/// Whether PHP's calls for timers come to the shim.
static OURS: OnceCell<bool> = OnceCell::new();

/// Asked once, because the answer cannot change.
fn ours() -> bool {
    *OURS.get_or_init(|| {
        // SAFETY: asks the dynamic linker, and needs no PHP.
        unsafe { ffi::shim_time_limits_probe() }
    })
}

/// The thread that interrupts scripts at their deadlines. Ends when dropped.
pub(super) struct TimeLimits(Option<JoinHandle<()>>);

impl TimeLimits {
    /// Starts the thread if it is needed. Call it after the engine has started.
    ///
    /// # Errors
    /// The system could not start a thread.
    pub(super) fn start() -> io::Result<Self> {
        if !ours() {
            return Ok(Self(None));
        }
        // Other threads handle signals of the process; this one starts with its creator's signal mask.
        let mask = SignalMask::block_all_but(&[]);
        let started = std::thread::Builder::new().name("igor-time-limit".to_owned()).spawn(|| {
            // SAFETY: runs on a thread of its own, once; works on the shim's list alone, under its lock.
            unsafe { ffi::shim_time_limits_watch() };
        });
        mask.apply();
        Ok(Self(Some(started?)))
    }
}

impl Drop for TimeLimits {
    fn drop(&mut self) {
        let Some(thread) = self.0.take() else { return };
        // SAFETY: sets a flag under the list's lock.
        unsafe { ffi::shim_time_limits_stop() };
        // It ends by itself, and has no panics to report.
        let _ = thread.join();
    }
}

/// A timer of the system, kept for the PHP thread that is about to make its own; nothing where PHP needs none.
pub(super) struct Reserved {
    /// Deleted by the drop; `None`: PHP makes no timers, because the shim replaces them.
    #[cfg(target_os = "linux")]
    timer: Option<libc::timer_t>,
}

// SAFETY: a timer is a number of the process's, which any of its threads may use.
#[cfg(target_os = "linux")]
unsafe impl Send for Reserved {}

impl Reserved {
    /// Takes a timer.
    ///
    /// # Errors
    /// The system has none left: timers count as pending signals, and a user may have `RLIMIT_SIGPENDING` of them.
    #[cfg(target_os = "linux")]
    pub(super) fn new() -> io::Result<Self> {
        if ours() {
            return Ok(Self { timer: None });
        }
        // SAFETY: every member of the structure is a number or a pointer, for which zero is allowed.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_NONE;
        let mut timer = std::ptr::null_mut();
        // SAFETY: both pointers are those of local values, which live through the call.
        if unsafe { libc::timer_create(libc::CLOCK_BOOTTIME, &raw mut event, &raw mut timer) } == 0 {
            return Ok(Self { timer: Some(timer) });
        }
        let error = io::Error::last_os_error();
        let way_out = "raise the limit of pending signals (`ulimit -i`)";
        Err(io::Error::new(error.kind(), format!("no timer for max_execution_time: {error}; {way_out}")))
    }

    /// On other systems PHP uses the process's only timer.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {})
    }
}

#[cfg(target_os = "linux")]
impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            // SAFETY: the timer was made by `new`, and is deleted once.
            unsafe { libc::timer_delete(timer) };
        }
    }
}
