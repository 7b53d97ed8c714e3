//! Totals over all snapshots of the process, for the metrics.
//!
//! They are updated where a snapshot is made, replaced, copied or freed, all of which cost far more than an atomic
//! addition. A zero-copy read writes nothing here; each slot counts its own reads (see
//! [`SlotCounters`](super::SlotCounters)). `Relaxed` everywhere: nothing synchronises by these numbers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// All snapshots that exist.
static LIVE: Amount = Amount::none();
/// Those that a newer version has replaced.
static PINNED: Amount = Amount::none();
/// Reads that got a copy.
static COPIES: AtomicU64 = AtomicU64::new(0);
/// Those of them that a used-up budget forced.
static COPIES_FORCED: AtomicU64 = AtomicU64::new(0);

/// The snapshots of the process at one moment. The numbers are read one by one, so they may be slightly inconsistent
/// while others publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryStats {
    /// Snapshots that exist: the newest of each worker, and the replaced ones that are still pinned.
    pub live_snapshots: usize,
    /// Bytes of their arenas.
    pub live_bytes: usize,
    /// Replaced versions that a script may still read, or that wait to be freed.
    pub pinned_snapshots: usize,
    /// Bytes of their arenas.
    pub pinned_bytes: usize,
    /// Reads that made a copy, since the process started.
    pub copies: u64,
    /// Copies that a used-up budget forced.
    pub copies_forced: u64,
}

/// The numbers of now.
pub fn stats() -> MemoryStats {
    MemoryStats {
        live_snapshots: LIVE.count.load(Ordering::Relaxed),
        live_bytes: LIVE.bytes.load(Ordering::Relaxed),
        pinned_snapshots: PINNED.count.load(Ordering::Relaxed),
        pinned_bytes: PINNED.bytes.load(Ordering::Relaxed),
        copies: COPIES.load(Ordering::Relaxed),
        copies_forced: COPIES_FORCED.load(Ordering::Relaxed),
    }
}

/// A number of snapshots and their bytes.
struct Amount {
    /// How many there are.
    count: AtomicUsize,
    bytes: AtomicUsize,
}

impl Amount {
    /// A constant, because the numbers are statics.
    const fn none() -> Self {
        Self { count: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    fn add(&self, bytes: usize) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A snapshot exists from now on.
pub(super) fn made(bytes: usize) {
    LIVE.add(bytes);
}

/// A newer version has taken the place of a snapshot of this size.
pub(super) fn replaced(bytes: usize) {
    PINNED.add(bytes);
}

/// A snapshot no longer exists.
pub(super) fn freed(bytes: usize, was_replaced: bool) {
    if was_replaced {
        PINNED.subtract(bytes);
    }
    LIVE.subtract(bytes);
}

/// A read got a copy; `forced`: only because a budget is used up.
pub(super) fn copied(forced: bool) {
    COPIES.fetch_add(1, Ordering::Relaxed);
    if forced {
        COPIES_FORCED.fetch_add(1, Ordering::Relaxed);
    }
}
