//! What the maps of a store hold: keys with their hashes, and entries.

use crate::sync::Ordering;
use crate::vars::Value;
use indexmap::Equivalent;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, atomic};

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

impl Key {
    pub(super) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef { hash: self.hash, bytes: &self.bytes }
    }
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

/// When an element was last used, by the clock of its shard. Reads write it. `Relaxed`: it guards nothing.
pub(super) struct Used(atomic::AtomicU64);

impl Used {
    pub(super) fn at(clock: u64) -> Self {
        Self(atomic::AtomicU64::new(clock))
    }

    pub(super) fn set(&self, clock: u64) {
        self.0.store(clock, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
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

/// What a key has, until the next change.
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

/// The last holder may be a reader.
impl Drop for Entry {
    fn drop(&mut self) {
        std::mem::replace(&mut self.value, Value::Null).retire();
    }
}
