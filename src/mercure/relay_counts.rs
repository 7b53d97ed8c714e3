//! What all relays of the process count.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(super) static WAITING: AtomicUsize = AtomicUsize::new(0);
pub(super) static SENT: AtomicU64 = AtomicU64::new(0);
pub(super) static DROPPED: AtomicU64 = AtomicU64::new(0);
pub(super) static RECEIVED: AtomicU64 = AtomicU64::new(0);
pub(super) static MISSED: AtomicU64 = AtomicU64::new(0);
pub(super) static UNREADABLE: AtomicU64 = AtomicU64::new(0);

/// What all relays of the process have counted.
#[derive(Debug, Clone, Copy)]
pub struct RelayCounts {
    /// Updates that wait for the engine now.
    pub waiting: usize,
    /// Updates that the engine has accepted from here.
    pub sent: u64,
    /// Updates that did not reach the engine.
    pub dropped: u64,
    /// Updates of other instances.
    pub received: u64,
    /// Updates that other instances have sent, and that did not come.
    pub missed: u64,
    /// Updates that could not be read.
    pub unreadable: u64,
}

pub(super) fn counts() -> RelayCounts {
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    RelayCounts {
        waiting: WAITING.load(Ordering::Relaxed),
        sent: load(&SENT),
        dropped: load(&DROPPED),
        received: load(&RECEIVED),
        missed: load(&MISSED),
        unreadable: load(&UNREADABLE),
    }
}
