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

    /// Makes this the mask of the calling thread.
    pub fn apply(&self) {
        // SAFETY: the set is initialized; a null pointer asks for no old mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}
