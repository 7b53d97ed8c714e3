//! Copies of elements that were read, and when they may be read again.
//!
//! The engine remembers what a connection has read, and says which of that has changed. Both come on one connection, in
//! the order in which they happened. Three rules make the copies right:
//!
//! - A read puts a *place* into the map before it asks. A change that arrives meanwhile removes the
//!   place; the answer then finds no place of its number and is not kept. So an answer from before a change never becomes
//!   a copy after it.
//! - Each connection has a number. The loss of one raises the number, so all copies are wrong at once, before their
//!   memory is freed.
//! - Copies are read only for some time after a question that the engine has answered. So an instance that was cut off, or
//!   stopped, does not go on with what it has.

use crate::limits::{CLUSTER_STORE_FRESH_MS, CLUSTER_STORE_SHARDS, STORE_ELEMENT_BYTES, STORE_EVICTION_SAMPLES};
use crate::vars::Value;
use indexmap::IndexMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The copies of one store. Counts are `Relaxed`: they guard nothing.
pub struct Copies {
    hasher: RandomState,
    shards: Box<[Mutex<Shard>]>,
    bytes_max: AtomicUsize,
    keys_max: AtomicUsize,
    start: Instant,
    /// The number of the connection; its loss raises it too.
    connection: AtomicU64,
    /// Until when copies may be read, in milliseconds since `start`.
    fresh_until_ms: AtomicU64,
    last_place: AtomicU64,
    /// Why there is no connection, and since when.
    away: Mutex<Option<(Instant, String)>>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
    invalidated: AtomicU64,
    evicted: AtomicU64,
    errors: AtomicU64,
}

/// The state at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyCounts {
    /// How many copies there are.
    pub keys: usize,
    /// How many there may be.
    pub keys_max: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How many there may be.
    pub bytes_max: usize,
    /// Reads of a copy.
    pub hits: u64,
    /// Reads that have asked the engine.
    pub misses: u64,
    /// Copies that were removed because the element has changed.
    pub invalidated: u64,
    /// Copies that were removed to make room.
    pub evicted: u64,
    /// Calls that the engine has not done.
    pub errors: u64,
    /// For how long there has been no connection, and why.
    pub away: Option<(Duration, String)>,
}

/// A read that is on its way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    number: u64,
    connection: u64,
}

#[derive(Default)]
struct Shard {
    map: IndexMap<Box<[u8]>, Kept, RandomState>,
    bytes: usize,
    /// Counts the reads; shows which copy was unused for the longest time.
    clock: u64,
    /// Where the next sample for eviction begins.
    hand: usize,
}

struct Kept {
    place: Place,
    /// `None`: the read is on its way.
    content: Option<Content>,
    used: u64,
}

struct Content {
    /// `None`: there is no such element.
    value: Option<Value>,
    bytes: usize,
    expires: Option<Instant>,
}

impl Copies {
    pub(super) fn new(bytes_max: usize, keys_max: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..CLUSTER_STORE_SHARDS).map(|_| Mutex::default()).collect(),
            bytes_max: AtomicUsize::new(bytes_max),
            keys_max: AtomicUsize::new(keys_max),
            start: Instant::now(),
            connection: AtomicU64::new(0),
            fresh_until_ms: AtomicU64::new(0),
            last_place: AtomicU64::new(0),
            away: Mutex::default(),
            counters: Counters::default(),
        }
    }

    /// Changes the bounds. The next copies make them true.
    pub(in crate::store) fn configure(&self, bytes_max: usize, keys_max: usize) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        self.keys_max.store(keys_max, Ordering::Relaxed);
    }

    // ---- For the connection ----

    /// A new connection begins: returns its number. No copy of an older one is read any more.
    pub fn begin(&self) -> u64 {
        self.end_any();
        self.connection.load(Ordering::Acquire)
    }

    /// The engine has answered on this connection to a question of that moment.
    pub fn answered(&self, connection: u64, asked: Instant) {
        if self.connection.load(Ordering::Acquire) != connection {
            return;
        }
        let until = asked + Duration::from_millis(CLUSTER_STORE_FRESH_MS);
        self.fresh_until_ms.store(self.ms(until), Ordering::Release);
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The connection of this number was lost.
    pub fn end(&self, connection: u64) {
        if self.connection.load(Ordering::Acquire) == connection {
            self.end_any();
        }
    }

    /// There is no connection: for operators.
    pub fn set_away(&self, reason: &str) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let since = away.as_ref().map_or_else(Instant::now, |(since, _)| *since);
        *away = Some((since, reason.to_owned()));
    }

    fn end_any(&self) {
        // Before the memory is freed: a read from now on finds no copy that it may use.
        self.connection.fetch_add(1, Ordering::AcqRel);
        self.fresh_until_ms.store(0, Ordering::Release);
        self.clear();
    }

    /// The engine has no element any more, or does not know which have changed.
    pub fn clear(&self) {
        for shard in &self.shards {
            let mut shard = locked(shard);
            let dropped = std::mem::take(&mut shard.map);
            shard.bytes = 0;
            drop(shard);
            dropped.into_values().for_each(Kept::retire);
        }
    }

    /// The element has changed.
    pub fn invalidate(&self, key: &[u8]) {
        if self.take(key).is_some_and(|copy| copy.content.is_some()) {
            self.counters.invalidated.fetch_add(1, Ordering::Relaxed);
        }
    }

    // ---- For readers and writers ----

    /// The copy of an element, if it may be read. `Some(None)`: there is no such element.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Value>> {
        let found = self.find(key);
        let counter = if found.is_some() { &self.counters.hits } else { &self.counters.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn find(&self, key: &[u8]) -> Option<Option<Value>> {
        let now = Instant::now();
        let mut shard = self.shard(key);
        if self.ms(now) >= self.fresh_until_ms.load(Ordering::Acquire) {
            return None;
        }
        shard.clock += 1;
        let clock = shard.clock;
        let copy = shard.map.get_mut(key)?;
        if copy.place.connection != self.connection.load(Ordering::Acquire) {
            return None;
        }
        let content = copy.content.as_ref().filter(|content| content.expires.is_none_or(|expires| now < expires))?;
        let value = content.value.clone();
        copy.used = clock;
        Some(value)
    }

    /// Makes a place for the answer to a read, before the read is sent.
    pub(super) fn expect(&self, key: &[u8]) -> Place {
        let number = self.last_place.fetch_add(1, Ordering::Relaxed) + 1;
        let place = Place { number, connection: self.connection.load(Ordering::Acquire) };
        let mut shard = self.shard(key);
        let before = shard.put(key, Kept { place, content: None, used: 0 });
        drop(shard);
        before.into_iter().for_each(Kept::retire);
        place
    }

    /// The answer has come. It is kept if its place is still there.
    pub(super) fn fill(&self, key: &[u8], place: Place, value: Option<Value>, expires: Option<Instant>) {
        let bytes = STORE_ELEMENT_BYTES + key.len() + value.as_ref().map_or(0, Value::bytes);
        let bytes_max = self.bytes_max.load(Ordering::Relaxed) / CLUSTER_STORE_SHARDS;
        let keys_max = (self.keys_max.load(Ordering::Relaxed) / CLUSTER_STORE_SHARDS).max(1);
        let content = Content { value, bytes, expires };
        let mut shard = self.shard(key);
        if shard.map.get(key).is_none_or(|copy| copy.place.number != place.number) {
            drop(shard);
            content.retire();
            return;
        }
        let mut evicted = Vec::new();
        if bytes > bytes_max {
            // It would not fit, and its place is not needed.
            evicted.extend(shard.remove(key));
            drop(shard);
            content.retire();
        } else {
            shard.clock += 1;
            let used = shard.clock;
            evicted.extend(shard.put(key, Kept { place, content: Some(content), used }));
            let before = evicted.len();
            while shard.bytes > bytes_max || shard.map.len() > keys_max {
                let Some(copy) = shard.evict(key) else { break };
                evicted.push(copy);
            }
            drop(shard);
            self.counters.evicted.fetch_add((evicted.len() - before) as u64, Ordering::Relaxed);
        }
        evicted.into_iter().for_each(Kept::retire);
    }

    /// The read has failed.
    pub(super) fn give_up(&self, key: &[u8], place: Place) {
        let mut shard = self.shard(key);
        if shard.map.get(key).is_some_and(|copy| copy.place.number == place.number) {
            shard.remove(key);
        }
    }

    /// This instance has changed the element, or may have.
    pub(super) fn remove(&self, key: &[u8]) {
        self.take(key);
    }

    pub(super) fn count_error(&self) {
        self.counters.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts.
    pub fn counts(&self) -> CopyCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (mut keys, mut bytes) = (0, 0);
        for shard in &self.shards {
            let shard = locked(shard);
            keys += shard.map.len();
            bytes += shard.bytes;
        }
        let away = self.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        CopyCounts {
            keys,
            keys_max: self.keys_max.load(Ordering::Relaxed),
            bytes,
            bytes_max: self.bytes_max.load(Ordering::Relaxed),
            hits: count(&self.counters.hits),
            misses: count(&self.counters.misses),
            invalidated: count(&self.counters.invalidated),
            evicted: count(&self.counters.evicted),
            errors: count(&self.counters.errors),
            away: away.map(|(since, reason)| (since.elapsed(), reason)),
        }
    }

    fn take(&self, key: &[u8]) -> Option<Kept> {
        let mut copy = self.shard(key).remove(key)?;
        // The value may be large; its place is what callers ask about.
        if let Some(content) = &mut copy.content {
            content.value.take().into_iter().for_each(Value::retire);
        }
        Some(copy)
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, Shard> {
        locked(&self.shards[self.hasher.hash_one(key) as usize % self.shards.len()])
    }

    fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A panic leaves a map with or without one copy, and both are right.
fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn put(&mut self, key: &[u8], copy: Kept) -> Option<Kept> {
        self.bytes += copy.bytes();
        let before = match self.map.get_mut(key) {
            Some(there) => Some(std::mem::replace(there, copy)),
            None => self.map.insert(key.into(), copy),
        };
        self.bytes -= before.as_ref().map_or(0, Kept::bytes);
        before
    }

    fn remove(&mut self, key: &[u8]) -> Option<Kept> {
        let copy = self.map.swap_remove(key)?;
        self.bytes -= copy.bytes();
        Some(copy)
    }

    /// Removes what was unused for the longest time among some; not `kept`, nor a place whose answer is on its way.
    fn evict(&mut self, kept: &[u8]) -> Option<Kept> {
        let len = self.map.len();
        let places = (0..len).map(|step| (self.hand % len + step) % len);
        let fit = places.filter_map(|index| {
            let (key, copy) = self.map.get_index(index)?;
            (copy.content.is_some() && **key != *kept).then_some((copy.used, index))
        });
        let (_, index) = fit.take(STORE_EVICTION_SAMPLES).min()?;
        self.hand = self.hand.wrapping_add(STORE_EVICTION_SAMPLES);
        let (_, copy) = self.map.swap_remove_index(index)?;
        self.bytes -= copy.bytes();
        Some(copy)
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.bytes)
    }

    fn retire(self) {
        self.content.into_iter().for_each(Content::retire);
    }
}

impl Content {
    fn retire(self) {
        self.value.into_iter().for_each(Value::retire);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn connected(bytes_max: usize) -> (Copies, u64) {
        let copies = Copies::new(bytes_max, 1 << 20);
        let connection = copies.begin();
        copies.answered(connection, Instant::now());
        (copies, connection)
    }

    fn int(found: Option<Option<Value>>) -> Option<Option<i64>> {
        found.map(|value| value.map(|value| if let Value::Int(int) = value { int } else { panic!("an integer") }))
    }

    fn read(copies: &Copies, key: &[u8], value: i64) {
        let place = copies.expect(key);
        copies.fill(key, place, Some(Value::Int(value)), None);
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let (copies, _) = connected(1 << 20);
        let first = copies.expect(b"k");
        copies.invalidate(b"k");
        copies.fill(b"k", first, Some(Value::Int(1)), None);
        assert_eq!(int(copies.get(b"k")), None);
        // Nor does it take the place of a read that began later.
        let second = copies.expect(b"k");
        copies.fill(b"k", first, Some(Value::Int(1)), None);
        assert_eq!(int(copies.get(b"k")), None);
        copies.fill(b"k", second, Some(Value::Int(2)), None);
        assert_eq!(int(copies.get(b"k")), Some(Some(2)));
        copies.invalidate(b"k");
        assert_eq!(int(copies.get(b"k")), None);
        assert_eq!(copies.counts().invalidated, 1);
    }

    #[test]
    fn a_lost_connection_takes_all_copies_with_it() {
        let (copies, connection) = connected(1 << 20);
        read(&copies, b"k", 1);
        let late = copies.expect(b"late");
        copies.end(connection);
        let next = copies.begin();
        copies.answered(next, Instant::now());
        copies.fill(b"late", late, Some(Value::Int(1)), None);
        assert_eq!((int(copies.get(b"k")), int(copies.get(b"late"))), (None, None));
        read(&copies, b"k", 2);
        // What the old connection still says changes nothing.
        copies.end(connection);
        assert_eq!(int(copies.get(b"k")), Some(Some(2)));
        assert_eq!(copies.counts().bytes, STORE_ELEMENT_BYTES + 1);
    }

    #[test]
    fn copies_are_read_only_while_the_engine_answers() {
        let (copies, connection) = connected(1 << 20);
        read(&copies, b"k", 1);
        let place = copies.expect(b"absent");
        copies.fill(b"absent", place, None, None);
        assert_eq!(int(copies.get(b"absent")), Some(None));
        let place = copies.expect(b"old");
        copies.fill(b"old", place, Some(Value::Int(1)), Some(Instant::now()));
        assert_eq!(int(copies.get(b"old")), None, "it has expired");
        let long_ago = Instant::now().checked_sub(Duration::from_millis(CLUSTER_STORE_FRESH_MS));
        copies.answered(connection, long_ago.expect("the machine runs for longer"));
        assert_eq!(int(copies.get(b"k")), None);
        copies.answered(connection, Instant::now());
        assert_eq!(int(copies.get(b"k")), Some(Some(1)));
    }

    #[test]
    fn the_bytes_are_bounded() {
        let (copies, _) = connected(CLUSTER_STORE_SHARDS * 4 * (STORE_ELEMENT_BYTES + 4));
        for number in 0..10_000_i64 {
            let key = format!("{number:04}");
            read(&copies, key.as_bytes(), number);
            assert_eq!(int(copies.get(key.as_bytes())), Some(Some(number)), "the newest is not evicted");
        }
        let counts = copies.counts();
        assert!(counts.bytes <= counts.bytes_max && counts.keys > CLUSTER_STORE_SHARDS, "{counts:?}");
        assert_eq!(counts.evicted, 10_000 - counts.keys as u64);
        copies.clear();
        assert_eq!((copies.counts().bytes, copies.counts().keys), (0, 0));
    }
}
