//! One store: its shards, their bounds, and the operations on an element.

use super::entry::{Entry, KeyRef, Room, Used};
use super::map::{Eviction, Expiry, Head, Mark, Shard, StoreConfig};
use super::readers::Readers;
use super::remote::Remote;
use super::watch::{Change, Listener, Listeners, WatchError, WatchStream};
use crate::limits::{STORE_ELEMENT_BYTES, STORE_SHARDS};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};
use crate::vars::Value;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError, atomic};
use std::time::{Duration, Instant};

/// A map that any thread may write.
pub struct Store {
    name: String,
    scope: Option<String>,
    /// For a store of the cluster, which uses nothing else of this.
    remote: Option<Remote>,
    pub(super) config: Mutex<StoreConfig>,
    /// The bounds of `config`, for writers. `Relaxed`, as all counts here: numbers that guard no memory.
    pub(super) bytes_max: atomic::AtomicUsize,
    pub(super) keys_max: atomic::AtomicUsize,
    /// Reads count as uses of an element.
    counts_uses: atomic::AtomicBool,
    hasher: RandomState,
    /// For writers, and for reads of many elements in one step.
    pub(super) shards: Box<[Mutex<Shard>]>,
    /// Those of the shards, for readers.
    heads: Box<[Arc<Head>]>,
    pub(super) readers: Readers,
    pub(super) bytes: AtomicUsize,
    pub(super) keys: AtomicUsize,
    /// How many elements can expire.
    pub(super) mortal: AtomicUsize,
    /// Counts the changes.
    version: AtomicU64,
    /// The next shard to evict an element from.
    pub(super) hand: AtomicUsize,
    start: Instant,
    pub(super) listeners: Listeners,
    pub(super) counters: Counters,
}

/// Numbers for operators, which no decision depends on.
#[derive(Default)]
pub(super) struct Counters {
    hits: atomic::AtomicU64,
    misses: atomic::AtomicU64,
    pub(super) evicted: atomic::AtomicU64,
    pub(super) expired: atomic::AtomicU64,
    pub(super) refused: atomic::AtomicU64,
}

/// The state of a store at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCounts {
    /// The number of elements, including expired ones not removed yet.
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
    /// Expired elements that were removed.
    pub expired: u64,
    /// Writes that found no room.
    pub refused: u64,
    /// Streams and connections that watch for changes.
    pub watchers: usize,
}

/// A write found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The element itself is larger than the store: bytes of both.
    TooLarge(usize, usize),
    /// The bytes that the store may have.
    Bytes(usize),
    /// The elements that the store may have.
    Keys(usize),
}

/// When a write takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// If the key does not exist.
    Absent,
    /// When it is there.
    Present,
    /// If it was not written after this change.
    Unchanged(u64),
}

/// What a write has done.
pub struct Stored {
    /// Whether its condition held.
    pub is_stored: bool,
    /// What was there before.
    pub before: Option<Value>,
}

/// An element with its facts.
#[derive(Clone)]
pub struct Found {
    /// Its value.
    pub value: Value,
    /// Which change has put it there.
    pub revision: u64,
    /// How long it will be there; `None`: for ever.
    pub left: Option<Duration>,
}

/// The result of a look-up in one shard.
enum Tried {
    Done(Stored),
    NoRoom(Value, Full),
}

impl Store {
    /// An empty store; without a scope it is global.
    pub fn new(name: &str, scope: Option<&str>, config: StoreConfig) -> Arc<Self> {
        Self::with_shards(STORE_SHARDS, name, scope, config)
    }

    /// A store of the cluster. The bounds are those of its copies.
    pub fn of_cluster(name: &str, scope: Option<&str>, config: StoreConfig) -> Arc<Self> {
        let remote = Remote::new(config.bytes_max, config.keys_max);
        Arc::new(Self { remote: Some(remote), ..Self::alone(1, name, scope, config) })
    }

    /// Models have few shards, because loom looks at every lock.
    pub(super) fn with_shards(shards: usize, name: &str, scope: Option<&str>, config: StoreConfig) -> Arc<Self> {
        Arc::new(Self::alone(shards, name, scope, config))
    }

    fn alone(shards: usize, name: &str, scope: Option<&str>, config: StoreConfig) -> Self {
        let shards: Vec<Shard> = (0..shards).map(|_| Shard::default()).collect();
        Self {
            name: name.to_owned(),
            scope: scope.map(str::to_owned),
            remote: None,
            bytes_max: atomic::AtomicUsize::new(config.bytes_max),
            keys_max: atomic::AtomicUsize::new(config.keys_max),
            counts_uses: atomic::AtomicBool::new(config.eviction == Eviction::Lru),
            config: Mutex::new(config),
            hasher: RandomState::new(),
            heads: shards.iter().map(|shard| shard.head.clone()).collect(),
            shards: shards.into_iter().map(Mutex::new).collect(),
            readers: Readers::default(),
            bytes: AtomicUsize::new(0),
            keys: AtomicUsize::new(0),
            mortal: AtomicUsize::new(0),
            version: AtomicU64::new(0),
            hand: AtomicUsize::new(0),
            start: Instant::now(),
            listeners: Listeners::default(),
            counters: Counters::default(),
        }
    }

    /// What a store of the cluster has on this instance; `None`: the elements are here.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The label of the scope that alone sees it; `None`: all scopes do.
    pub fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Changes its bounds. The content stays; if the store evicts, the next writes shrink it.
    pub fn configure(&self, config: StoreConfig) {
        if let Some(remote) = &self.remote {
            remote.copies().configure(config.bytes_max, config.keys_max);
        }
        self.bytes_max.store(config.bytes_max, Ordering::Relaxed);
        self.keys_max.store(config.keys_max, Ordering::Relaxed);
        self.counts_uses.store(config.eviction == Eviction::Lru, Ordering::Relaxed);
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
    }

    /// How many changes there were.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The bytes that its elements may have.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max.load(Ordering::Relaxed)
    }

    /// The counts.
    pub fn counts(&self) -> StoreCounts {
        let count = |counter: &atomic::AtomicU64| counter.load(Ordering::Relaxed);
        StoreCounts {
            keys: self.keys.load(Ordering::Relaxed),
            keys_max: self.keys_max.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            bytes_max: self.bytes_max.load(Ordering::Relaxed),
            version: self.version(),
            hits: count(&self.counters.hits),
            misses: count(&self.counters.misses),
            evicted: count(&self.counters.evicted),
            expired: count(&self.counters.expired),
            refused: count(&self.counters.refused),
            watchers: self.listeners.count(),
        }
    }

    // ---- Reads ----

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.get_marked(key).0
    }

    /// The same, and how long it stays the value; `None`: it can expire, or reads must count as uses.
    pub fn get_marked(&self, key: &[u8]) -> (Option<Value>, Option<Mark>) {
        let key = self.key(key);
        let head = self.head(key);
        let counts_uses = self.counts_uses.load(Ordering::Relaxed);
        // Before the read, so that a change after it is noticed.
        let mark = if counts_uses { None } else { head.mark() };
        let found = self.readers.read(key, |entry| {
            let entry = entry.filter(|entry| entry.is_live(|| self.now_ms()))?;
            if counts_uses {
                entry.used.set(head.tick());
            }
            Some((entry.value.clone(), entry.expires_ms == 0))
        });
        let lasts = matches!(found, Some((_, true)));
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        (found.map(|(value, _)| value), mark.filter(|_| lasts))
    }

    pub(super) fn count_reads(&self, values: &[Option<Value>]) {
        let hits = values.iter().filter(|value| value.is_some()).count();
        self.counters.hits.fetch_add(hits as u64, Ordering::Relaxed);
        self.counters.misses.fetch_add((values.len() - hits) as u64, Ordering::Relaxed);
    }

    /// The same with its facts.
    pub fn find(&self, key: &[u8]) -> Option<Found> {
        let key = self.key(key);
        let now_ms = self.now_ms();
        let found = |entry: &Entry| Found {
            value: entry.value.clone(),
            revision: entry.revision,
            left: (entry.expires_ms != 0).then(|| Duration::from_millis(entry.expires_ms.saturating_sub(now_ms))),
        };
        self.readers.read(key, |entry| entry.filter(|entry| entry.is_live(|| now_ms)).map(found))
    }

    /// The stale value that may be served while a new one is computed.
    pub(super) fn get_stale(&self, key: &[u8]) -> Option<Value> {
        let key = self.key(key);
        let now_ms = self.now_ms();
        let usable = |entry: &&Entry| !entry.is_garbage(now_ms);
        self.readers.read(key, |entry| entry.filter(usable).map(|entry| entry.value.clone()))
    }

    // ---- Writes ----

    /// Writes an element if its condition holds.
    ///
    /// # Errors
    /// There is no room, and nothing may be evicted.
    pub fn set(&self, key: &[u8], value: Value, expiry: Expiry, condition: Condition) -> Result<Stored, Full> {
        self.set_as("set", key, value, expiry, condition)
    }

    pub(super) fn set_as(
        &self,
        event: &'static str,
        key: &[u8],
        mut value: Value,
        expiry: Expiry,
        condition: Condition,
    ) -> Result<Stored, Full> {
        let key = self.key(key);
        loop {
            match self.try_set(key, value, expiry, condition) {
                Tried::Done(stored) => {
                    if stored.is_stored {
                        self.listeners.tell(Change { event, key: key.bytes });
                    }
                    return Ok(stored);
                }
                Tried::NoRoom(back, full) => {
                    if !self.make_room(full) {
                        self.counters.refused.fetch_add(1, Ordering::Relaxed);
                        back.retire();
                        return Err(full);
                    }
                    value = back;
                }
            }
        }
    }

    fn try_set(&self, key: KeyRef<'_>, value: Value, expiry: Expiry, condition: Condition) -> Tried {
        let bytes = STORE_ELEMENT_BYTES + key.bytes.len() + value.bytes();
        let now_ms = self.now_ms();
        let mut shard = self.shard(key);
        let there = shard.entry(key).map(Arc::as_ref);
        let live = there.filter(|entry| entry.is_live(|| now_ms));
        let holds = match condition {
            Condition::Always => true,
            Condition::Absent => live.is_none(),
            Condition::Present => live.is_some(),
            Condition::Unchanged(revision) => live.is_some_and(|entry| entry.revision == revision),
        };
        if !holds {
            let before = live.map(|entry| entry.value.clone());
            drop(shard);
            value.retire();
            return Tried::Done(Stored { is_stored: false, before });
        }
        if let Err(full) = self.reserve(Room::of(there), Room { keys: 1, bytes }) {
            return Tried::NoRoom(value, full);
        }
        let (expires_ms, stale_ms) = times(expiry, now_ms, live);
        let was_live = live.is_some();
        let was_mortal = there.is_some_and(|entry| entry.expires_ms != 0);
        self.count_mortal(was_mortal, expires_ms != 0);
        let used = Used::at(shard.head.tick());
        let entry = Entry { value, bytes, revision: self.changed(), expires_ms, stale_ms, used };
        let replaced = shard.put(&self.readers, key, entry);
        let expired = self.take_expired(&mut shard, now_ms);
        drop(shard);
        self.bury(expired);
        let before = replaced.filter(|_| was_live).map(|entry| entry.value.clone());
        Tried::Done(Stored { is_stored: true, before })
    }

    /// Removes an element and returns its value.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let bytes = key;
        let key = self.key(key);
        let now_ms = self.now_ms();
        let mut shard = self.shard(key);
        let (_, entry) = shard.take(&self.readers, key)?;
        let is_live = entry.is_live(|| now_ms);
        if is_live {
            self.changed();
        }
        drop(shard);
        self.forget(&entry);
        if !is_live {
            self.counters.expired.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.listeners.tell(Change { event: "del", key: bytes });
        Some(entry.value.clone())
    }

    /// Changes when an element expires. `false`: it is not there.
    pub fn expire(&self, key: &[u8], expiry: Expiry) -> bool {
        let bytes = key;
        let key = self.key(key);
        let now_ms = self.now_ms();
        let mut shard = self.shard(key);
        let Some(entry) = shard.get(key, || now_ms) else { return false };
        let (expires_ms, stale_ms) = times(expiry, now_ms, Some(entry));
        self.count_mortal(entry.expires_ms != 0, expires_ms != 0);
        let entry = Entry {
            value: entry.value.clone(),
            bytes: entry.bytes,
            revision: self.changed(),
            expires_ms,
            stale_ms,
            used: Used::at(shard.head.tick()),
        };
        let before = shard.put(&self.readers, key, entry);
        drop(shard);
        drop(before);
        let event = if expires_ms == 0 { "persist" } else { "expire" };
        self.listeners.tell(Change { event, key: bytes });
        true
    }

    // ---- Listeners ----

    /// A descriptor that becomes readable with each change.
    ///
    /// # Errors
    /// There are too many, or the process has no descriptor left.
    pub fn watch(&self) -> Result<OwnedFd, WatchError> {
        let (near, far) = WatchStream::new().map_err(WatchError::System)?;
        self.listen(Arc::new(near))?;
        Ok(far)
    }

    /// Adds a listener for changes.
    ///
    /// # Errors
    /// There are too many.
    pub fn listen(&self, listener: Arc<dyn Listener>) -> Result<(), WatchError> {
        self.listeners.add(listener)
    }

    pub(super) fn changed(&self) -> u64 {
        self.version.fetch_add(1, Ordering::Release) + 1
    }

    pub(super) fn now_ms(&self) -> u64 {
        // From 1, because 0 means no time.
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    pub(super) fn key<'k>(&self, bytes: &'k [u8]) -> KeyRef<'k> {
        KeyRef { hash: self.hasher.hash_one(bytes), bytes }
    }

    /// Where the marks of a key look, for models.
    #[cfg(all(test, loom))]
    pub(super) fn head_of(&self, key: &[u8]) -> Arc<Head> {
        self.head(self.key(key)).clone()
    }

    fn head(&self, key: KeyRef<'_>) -> &Arc<Head> {
        &self.heads[self.shard_number(key.hash)]
    }

    pub(super) fn shard(&self, key: KeyRef<'_>) -> MutexGuard<'_, Shard> {
        locked(&self.shards[self.shard_number(key.hash)])
    }

    pub(super) fn shard_number(&self, hash: u64) -> usize {
        // By other bits than those that the shard's map uses.
        (hash >> 32) as usize % self.shards.len()
    }
}

/// A panic leaves an element in its old or its new state, so a poisoned lock is usable.
pub(super) fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The expiry of an element, and the end of its stale time.
fn times(expiry: Expiry, now_ms: u64, before: Option<&Entry>) -> (u64, u64) {
    let after = |time: Duration| now_ms.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1));
    match expiry {
        Expiry::Never => (0, 0),
        Expiry::Kept => before.map_or((0, 0), |entry| (entry.expires_ms, entry.stale_ms)),
        Expiry::After(time) => (after(time), after(time)),
        Expiry::Stale(time) => (after(time), after(time.saturating_mul(2))),
    }
}
