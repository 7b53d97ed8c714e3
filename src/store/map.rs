//! One shard of a store: the map of its writers, whose elements can be found by key and by number. Knows no lock.

use super::entry::{Entry, Key, KeyRef, Known};
use super::readers::{Readers, Step};
use crate::sync::{AtomicU64, Ordering};
use indexmap::IndexMap;
use std::hash::BuildHasherDefault;
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

pub(super) type Map = IndexMap<Key, Arc<Entry>, BuildHasherDefault<Known>>;

/// How long a value that was read stays the value of its key: as long as the number at the address is `version`. The address is valid as
/// long as the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Where the number is.
    pub version_at: *const AtomicU64,
    /// What it was at the read.
    pub version: u64,
}

/// What readers look at without the lock of the shard, at an address that stays.
#[derive(Default)]
pub(super) struct Head {
    /// Counts the changes of the map: odd while one is under way.
    version: AtomicU64,
    /// Counts uses; a lower number is older. `Relaxed`: it guards nothing.
    clock: atomic::AtomicU64,
}

impl Head {
    /// As long as this holds, no element has another value than a read that comes after it; `None`: one is being changed.
    pub(super) fn mark(&self) -> Option<Mark> {
        let version = self.version.load(Ordering::Acquire);
        version.is_multiple_of(2).then_some(Mark { version_at: &raw const self.version, version })
    }

    /// The next number of the clock.
    pub(super) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether a mark still holds, for models.
    #[cfg(all(test, loom))]
    pub(super) fn is(&self, mark: Mark) -> bool {
        self.version.load(Ordering::Acquire) == mark.version
    }
}

/// The elements of one shard.
#[derive(Default)]
pub(super) struct Shard {
    /// Shared with the pictures of the store.
    pub(super) map: Arc<Map>,
    pub(super) head: Arc<Head>,
    /// The number of the next element that is checked for expiry.
    cursor: usize,
}

impl Shard {
    /// The element of a key, if it has not expired.
    pub(super) fn get(&self, key: KeyRef<'_>, now_ms: impl FnOnce() -> u64) -> Option<&Arc<Entry>> {
        self.map.get(&key).filter(|entry| entry.is_live(now_ms))
    }

    /// The same, if it is there at all.
    pub(super) fn entry(&self, key: KeyRef<'_>) -> Option<&Arc<Entry>> {
        self.map.get(&key)
    }

    /// Writes an element, and returns what it replaces.
    pub(super) fn put(&mut self, readers: &Readers, key: KeyRef<'_>, entry: Entry) -> Option<Arc<Entry>> {
        let entry = Arc::new(entry);
        self.changing(|map| {
            if let Some(place) = map.get_mut(&key) {
                readers.replace(key, entry.clone());
                return Some(std::mem::replace(place, entry));
            }
            let key = Key { hash: key.hash, bytes: key.bytes.into() };
            readers.insert(key.clone(), entry.clone());
            map.insert(key, entry)
        })
    }

    /// The same in a step, between [`begin`](Self::begin) and [`end`](Self::end).
    pub(super) fn put_in(
        &mut self,
        step: &Arc<Step>,
        readers: &Readers,
        key: &Key,
        entry: Entry,
    ) -> Option<Arc<Entry>> {
        let entry = Arc::new(entry);
        let map = Arc::make_mut(&mut self.map);
        readers.show_after(step, key, entry.clone(), map.get(key));
        map.insert(key.clone(), entry)
    }

    /// Removes an element.
    pub(super) fn take(&mut self, readers: &Readers, key: KeyRef<'_>) -> Option<(Key, Arc<Entry>)> {
        let number = self.map.get_index_of(&key)?;
        self.take_number(readers, number)
    }

    /// The same by its number.
    pub(super) fn take_number(&mut self, readers: &Readers, number: usize) -> Option<(Key, Arc<Entry>)> {
        self.changing(|map| {
            let (key, entry) = map.swap_remove_index(number)?;
            readers.remove(&key);
            Some((key, entry))
        })
    }

    /// Puts another map into the place of the one that is there, between [`begin`](Self::begin) and [`end`](Self::end).
    pub(super) fn exchange(&mut self, map: &mut Arc<Map>) {
        self.cursor = 0;
        std::mem::swap(&mut self.map, map);
    }

    /// Changes the map: a copy if a picture shares it.
    fn changing<R>(&mut self, change: impl FnOnce(&mut Map) -> R) -> R {
        self.begin();
        let changed = change(Arc::make_mut(&mut self.map));
        self.end();
        changed
    }

    /// No mark holds from now on, and no read gets one until the end of the change. After a panic in a change it is odd already.
    pub(super) fn begin(&self) {
        let version = self.head.version.load(Ordering::Relaxed);
        self.head.version.store(version | 1, Ordering::Release);
    }

    /// The change is complete.
    pub(super) fn end(&self) {
        let version = self.head.version.load(Ordering::Relaxed);
        self.head.version.store(version + 1, Ordering::Release);
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
    pub(super) fn take_expired(&mut self, readers: &Readers, looks: usize, now_ms: u64) -> Option<(Key, Arc<Entry>)> {
        for _ in 0..looks.min(self.map.len()) {
            self.cursor = if self.cursor + 1 < self.map.len() { self.cursor + 1 } else { 0 };
            if self.map.get_index(self.cursor).is_some_and(|(_, entry)| entry.is_garbage(now_ms)) {
                return self.take_number(readers, self.cursor);
            }
        }
        None
    }
}
