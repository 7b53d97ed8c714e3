//! One shard of a store: a map whose elements can be found by key and by number. Knows no lock.

use crate::sync::{AtomicU64, Ordering};
use crate::vars::Value;
use indexmap::{Equivalent, IndexMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic;
use std::time::Duration;

/// The settings of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Bytes of all keys and values, with their overhead.
    pub bytes_max: usize,
    /// The most elements.
    pub keys_max: usize,
    /// What happens when it is full.
    pub eviction: Eviction,
}

/// How a full store makes room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eviction {
    /// Nothing: writes are refused.
    #[default]
    None,
    /// Elements that were not used for a long time are removed.
    Lru,
}

/// When an element expires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expiry {
    /// Never.
    Never,
    /// The expiry of the replaced element.
    Kept,
    /// After this time.
    After(Duration),
    /// After this time; for the same time again it may be served while a new one is computed.
    Stale(Duration),
}

/// A key with its hash, which is computed outside of the lock.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) hash: u64,
    pub(super) bytes: Arc<[u8]>,
}

/// The same, borrowed.
#[derive(Clone, Copy)]
pub(super) struct KeyRef<'a> {
    pub(super) hash: u64,
    pub(super) bytes: &'a [u8],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.bytes == other.bytes
    }
}

impl Eq for Key {}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && *self.bytes == *key.bytes
    }
}

/// Hands a hash on.
#[derive(Default)]
pub(super) struct Known(u64);

impl Hasher for Known {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// When an element was last used, by the clock of its shard. Reads write it, even if the map is shared. `Relaxed`: it
/// guards nothing.
pub(super) struct Used(atomic::AtomicU64);

impl Used {
    pub(super) fn at(clock: u64) -> Self {
        Self(atomic::AtomicU64::new(clock))
    }

    fn set(&self, clock: u64) {
        self.0.store(clock, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clone for Used {
    fn clone(&self) -> Self {
        Self::at(self.get())
    }
}

/// The room that elements take from the bounds of their store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Room {
    pub(super) keys: usize,
    pub(super) bytes: usize,
}

impl Room {
    /// The room of an optional element.
    pub(super) fn of(entry: Option<&Entry>) -> Self {
        entry.map_or_else(Self::default, |entry| Self { keys: 1, bytes: entry.bytes })
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, bytes: self.bytes + other.bytes }
    }
}

/// An element.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// Its room, including the key.
    pub(super) bytes: usize,
    /// The number of the change that wrote it.
    pub(super) revision: u64,
    /// Expiry, in milliseconds of the store's clock; 0: never.
    pub(super) expires_ms: u64,
    /// Until then it may be served while a new one is computed; at least `expires_ms`.
    pub(super) stale_ms: u64,
    pub(super) used: Used,
}

impl Entry {
    pub(super) fn is_live(&self, now_ms: impl FnOnce() -> u64) -> bool {
        self.expires_ms == 0 || now_ms() < self.expires_ms
    }

    pub(super) fn is_garbage(&self, now_ms: u64) -> bool {
        self.expires_ms != 0 && now_ms >= self.stale_ms
    }
}

pub(super) type Map = IndexMap<Key, Entry, BuildHasherDefault<Known>>;

/// How long a value that was read stays the value of its key: as long as the number at the address is `version`. The address is valid as
/// long as the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Where the number is.
    pub version_at: *const AtomicU64,
    /// What it was at the read.
    pub version: u64,
}

/// The elements of one shard.
#[derive(Default)]
pub(super) struct Shard {
    /// Shared with the pictures of the store.
    pub(super) map: Arc<Map>,
    /// Counts what may have changed the map, before it does. At an address of its own, where readers look without the lock.
    pub(super) version: Arc<AtomicU64>,
    /// Counts uses; a lower number is older.
    pub(super) clock: u64,
    /// The number of the next element that is checked for expiry.
    pub(super) cursor: usize,
}

impl Shard {
    pub(super) fn get(&mut self, key: KeyRef<'_>, now_ms: impl FnOnce() -> u64) -> Option<&Entry> {
        self.clock += 1;
        let entry = self.map.get(&key).filter(|entry| entry.is_live(now_ms))?;
        entry.used.set(self.clock);
        Some(entry)
    }

    /// The same, for a change.
    pub(super) fn get_mut(&mut self, key: KeyRef<'_>, now_ms: impl FnOnce() -> u64) -> Option<&mut Entry> {
        self.clock += 1;
        let clock = self.clock;
        let entry = self.map_mut().get_mut(&key).filter(|entry| entry.is_live(now_ms))?;
        entry.used.set(clock);
        Some(entry)
    }

    /// The map for a change: a copy if a picture shares it.
    pub(super) fn map_mut(&mut self) -> &mut Map {
        self.outdate();
        Arc::make_mut(&mut self.map)
    }

    /// Puts another map into the place of the one that is there.
    pub(super) fn exchange(&mut self, map: &mut Arc<Map>) {
        self.outdate();
        self.cursor = 0;
        std::mem::swap(&mut self.map, map);
    }

    /// As long as this holds, no element has another value.
    pub(super) fn mark(&self) -> Mark {
        // Read under the lock, as it is written.
        Mark { version_at: Arc::as_ptr(&self.version), version: self.version.load(Ordering::Relaxed) }
    }

    fn outdate(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The number of the least recently used element among samples spread over all, because neighbours were often
    /// written, and are used, together.
    pub(super) fn oldest_of(&self, start: usize, samples: usize) -> Option<usize> {
        let count = self.map.len();
        let samples = samples.min(count);
        let numbers = (0..samples).map(|step| (start % count + step * (count / samples)) % count);
        numbers.min_by_key(|number| self.map.get_index(*number).map_or(u64::MAX, |(_, entry)| entry.used.get()))
    }

    /// Removes an expired element among the next ones.
    pub(super) fn take_expired(&mut self, looks: usize, now_ms: u64) -> Option<(Key, Entry)> {
        for _ in 0..looks.min(self.map.len()) {
            self.cursor = if self.cursor + 1 < self.map.len() { self.cursor + 1 } else { 0 };
            if self.map.get_index(self.cursor).is_some_and(|(_, entry)| entry.is_garbage(now_ms)) {
                let cursor = self.cursor;
                return self.map_mut().swap_remove_index(cursor);
            }
        }
        None
    }
}
