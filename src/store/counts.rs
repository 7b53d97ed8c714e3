//! The state of a store, for the admin interface and for scripts.

use std::sync::atomic::AtomicU64;

/// What is counted while a store works. `Relaxed`, as the counts guard no memory.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// The state of a store at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCounts {
    /// Elements, with those that have expired and were not met since.
    pub keys: usize,
    /// How many there may be.
    pub keys_max: usize,
    /// Bytes of all elements.
    pub bytes: usize,
    /// How many there may be.
    pub bytes_max: usize,
    /// Changes since the start.
    pub version: u64,
    /// Reads that found an element.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Elements that were removed to make room.
    pub evicted: u64,
    /// Elements that were removed because their time was over.
    pub expired: u64,
    /// Writes that found no room.
    pub refused: u64,
    /// Streams and connections that get changes.
    pub watchers: usize,
}
