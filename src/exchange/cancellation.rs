//! Cancels a wait of a PHP thread in Rust from another thread. A signal would not: a wait in Rust continues after it.
//!
//! The waiting thread first registers how to wake it ([`Cancellation::sleeper`]), and then checks before every sleep
//! whether it is cancelled. The other side first sets the reason, and then wakes it. Both take the lock of the sleeper
//! in between, so one of them sees the other and no wake-up is lost.

use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering};
use std::sync::PoisonError;
use std::task::Waker;

/// Ends the waits of one PHP thread.
#[derive(Debug, Default)]
pub struct Cancellation {
    /// `Relaxed`: the order comes from the sleeper's lock, or from the code that checks because of an engine flag.
    cancelled: AtomicBool,
    /// Protects the waker of the thread; not held while waking it.
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

    /// Makes a waiting thread check whether it must still wait. May take the locks of the object that it waits for.
    pub fn wake(&self) {
        let sleeper = self.locked().clone();
        if let Some(sleeper) = sleeper {
            sleeper.wake();
        }
    }

    /// Registers `waker` for the calling thread, which is about to wait, until the value is dropped. A thread waits for
    /// one thing at a time.
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
    /// The wake-up that it stores there is removed when this is dropped.
    of: &'a Cancellation,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        *self.of.locked() = None;
    }
}
