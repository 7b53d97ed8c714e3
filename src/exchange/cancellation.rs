//! Cancels a wait of a PHP thread in Rust from another thread. A signal would not: a wait in Rust continues after it.
//!
//! The waiting thread first registers how to wake it ([`Cancellation::sleeper`]), and then checks before every sleep
//! whether it is cancelled. The other side first sets the reason, and then wakes it. Both take the lock of the sleeper
//! in between, so one of them sees the other and no wake-up is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// The end of the waits of one PHP thread.
#[derive(Debug, Default)]
pub struct Cancellation {
    /// `Relaxed`: the sleeper's lock provides the order, or the code that looks because of a flag of the engine does.
    cancelled: AtomicBool,
    /// Protects how the thread is woken; not held while it is.
    sleeper: Mutex<Option<Waker>>,
}

impl Cancellation {
    /// Every wait of the thread should end, until [`reset`](Self::reset). [`wake`](Self::wake) must follow.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Lets the thread wait again.
    pub fn reset(&self) {
        self.cancelled.store(false, Ordering::Relaxed);
    }

    /// Whether waits should end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Lets the thread, if it waits, look whether it still has to. May take the locks of what it waits for.
    pub fn wake(&self) {
        let sleeper = self.locked().clone();
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// The calling thread is about to wait, and is woken by `waker` until the value is dropped. A thread waits for one thing
    /// at a time.
    #[must_use]
    pub fn sleeper(&self, waker: Waker) -> Sleeper<'_> {
        *self.locked() = Some(waker);
        Sleeper { of: self }
    }

    fn locked(&self) -> MutexGuard<'_, Option<Waker>> {
        self.sleeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait that can be ended.
#[derive(Debug)]
pub struct Sleeper<'a> {
    of: &'a Cancellation,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        *self.of.locked() = None;
    }
}
