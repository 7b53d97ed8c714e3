//! Which threads take the signals of the process.

use std::mem::MaybeUninit;
use std::ptr;

/// The signals that a thread blocks.
#[derive(Clone, Copy)]
pub struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// Blocks every signal on this thread, so that the process's signals go to its other threads, and gives what was
    /// blocked before. Threads that are started meanwhile inherit the block.
    pub fn block_all() -> Self {
        let mut all = MaybeUninit::zeroed();
        // SAFETY: the set is this function's own.
        unsafe { libc::sigfillset(all.as_mut_ptr()) };
        let mut before = MaybeUninit::zeroed();
        // SAFETY: the first set was filled by the call before, the second is this function's own.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: the call before, which cannot fail with these arguments, has filled it.
        Self(unsafe { before.assume_init() })
    }

    /// Blocks the signals that are sent to the process as a whole, and gives what was blocked before. What is meant for this
    /// very thread still reaches it: faults, PHP's timers, and what wakes it.
    pub fn block_signals_of_process() -> Self {
        let before = Self::block_all();
        let mut own = MaybeUninit::zeroed();
        // SAFETY: the set is this function's own.
        unsafe { libc::sigemptyset(own.as_mut_ptr()) };
        let faults =
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT];
        let timer = libc::SIGRTMIN();
        for signal in faults.into_iter().chain([timer, timer + crate::ffi::IGOR_WAKE_SIGNAL_AFTER_MIN as i32]) {
            // SAFETY: the set was emptied by the call before.
            unsafe { libc::sigaddset(own.as_mut_ptr(), signal) };
        }
        // SAFETY: the set is initialized; a null pointer asks for no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, own.as_ptr(), ptr::null_mut()) };
        before
    }

    /// Makes this the mask of the calling thread.
    pub fn apply(&self) {
        // SAFETY: the set is initialized; a null pointer asks for no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
