//! Which threads take the signals of the process. The handlers that PHP's `pcntl_signal()` installs look for the PHP of the
//! thread that they run on, so a thread without PHP must never run one.
#![allow(unsafe_code, reason = "the C library's signal sets")]

use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::ptr;

/// Faults of the thread itself, which another thread cannot handle.
const FAULTS: [c_int; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT];

/// The signals that a thread blocks.
#[derive(Clone, Copy)]
pub struct SignalMask(libc::sigset_t);

impl SignalMask {
    /// The signals that the calling thread blocks now.
    pub fn current() -> Self {
        let mut mask = MaybeUninit::zeroed();
        // SAFETY: a null set changes nothing; the other is this function's own.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr()) };
        // SAFETY: the call before, which cannot fail with these arguments, has filled it.
        Self(unsafe { mask.assume_init() })
    }

    /// Blocks every signal on this thread except its own faults, so that other threads get the process's signals.
    /// Returns the previous mask. Threads that are started meanwhile inherit the block.
    pub fn block_all() -> Self {
        Self::block_all_but(&[])
    }

    /// The same, except these signals.
    pub fn block_all_but(open: &[c_int]) -> Self {
        let before = Self::current();
        let mut blocked = MaybeUninit::zeroed();
        // SAFETY: the set is this function's own.
        unsafe { libc::sigfillset(blocked.as_mut_ptr()) };
        for signal in FAULTS.iter().chain(open) {
            // SAFETY: the set was filled by the call before.
            unsafe { libc::sigdelset(blocked.as_mut_ptr(), *signal) };
        }
        // SAFETY: the set is initialized; a null pointer asks for no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, blocked.as_ptr(), ptr::null_mut()) };
        before
    }

    /// Makes this the mask of the calling thread.
    pub fn apply(&self) {
        // SAFETY: the set is initialized; a null pointer asks for no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
