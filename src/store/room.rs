//! The bounds of a store: reserves room for writes, and makes room.

use super::entry::{Entry, Key, Room};
use super::map::{Eviction, Shard};
use super::shared::{Full, Store, locked};
use super::watch::Change;
use crate::limits::{STORE_EVICTION_SAMPLES, STORE_EXPIRY_LOOKS};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

impl Store {
    /// Reserves room for elements, including the room of those that they replace.
    pub(super) fn reserve(&self, before: Room, after: Room) -> Result<(), Full> {
        let (bytes_max, keys_max) = (self.bytes_max.load(Ordering::Relaxed), self.keys_max.load(Ordering::Relaxed));
        if after.bytes > bytes_max {
            return Err(Full::TooLarge(after.bytes, bytes_max));
        }
        let more = after.keys.saturating_sub(before.keys);
        if more > 0 && self.keys.fetch_add(more, Ordering::Relaxed) + more > keys_max {
            self.keys.fetch_sub(more, Ordering::Relaxed);
            return Err(Full::Keys(keys_max));
        }
        // In one step, so that a count is never lower than the content.
        let all = self.bytes.fetch_add(after.bytes, Ordering::Relaxed) + after.bytes;
        if after.bytes > before.bytes && all - before.bytes.min(all) > bytes_max {
            self.bytes.fetch_sub(after.bytes, Ordering::Relaxed);
            if more > 0 {
                self.keys.fetch_sub(more, Ordering::Relaxed);
            }
            return Err(Full::Bytes(bytes_max));
        }
        self.bytes.fetch_sub(before.bytes, Ordering::Relaxed);
        let less = before.keys.saturating_sub(after.keys);
        if less > 0 {
            self.keys.fetch_sub(less, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Makes room for many elements. `false`: not enough may be removed.
    pub(super) fn make_room_for(&self, more: Room, full: Full) -> bool {
        loop {
            if !self.make_room(full) {
                return false;
            }
            let (bytes, keys) = (self.bytes.load(Ordering::Relaxed), self.keys.load(Ordering::Relaxed));
            let (bytes_max, keys_max) = (self.bytes_max.load(Ordering::Relaxed), self.keys_max.load(Ordering::Relaxed));
            if bytes + more.bytes <= bytes_max && keys + more.keys <= keys_max {
                return true;
            }
        }
    }

    /// Removes something. `false`: nothing may be removed.
    pub(super) fn make_room(&self, full: Full) -> bool {
        if matches!(full, Full::TooLarge(..)) {
            return false;
        }
        if self.mortal.load(Ordering::Relaxed) > 0 && self.remove_expired() > 0 {
            return true;
        }
        let eviction = self.config.lock().unwrap_or_else(PoisonError::into_inner).eviction;
        eviction == Eviction::Lru && self.evict_one()
    }

    fn evict_one(&self) -> bool {
        for _ in 0..self.shards.len() {
            let hand = self.hand.fetch_add(1, Ordering::Relaxed);
            let mut shard = locked(&self.shards[hand % self.shards.len()]);
            // The start of the samples changes with each round.
            let Some(number) = shard.oldest_of(hand / self.shards.len(), STORE_EVICTION_SAMPLES) else { continue };
            let Some((key, entry)) = shard.take_number(&self.readers, number) else { continue };
            self.changed();
            drop(shard);
            self.forget(&entry);
            self.counters.evicted.fetch_add(1, Ordering::Relaxed);
            self.listeners.tell(Change { event: "evicted", key: &key.bytes });
            return true;
        }
        false
    }

    /// Removes all that has expired. Returns how many those were.
    pub fn remove_expired(&self) -> usize {
        let now_ms = self.now_ms();
        let mut removed = 0;
        for shard in &self.shards {
            let taken: Vec<_> = {
                let mut shard = locked(shard);
                let numbers: Vec<usize> =
                    (0..shard.map.len()).filter(|number| shard.map[*number].is_garbage(now_ms)).collect();
                // From the end, because a removal moves the last element into the gap.
                numbers.into_iter().rev().filter_map(|number| shard.take_number(&self.readers, number)).collect()
            };
            removed += taken.len();
            taken.into_iter().for_each(|element| self.bury(Some(element)));
        }
        removed
    }

    pub(super) fn take_expired(&self, shard: &mut Shard, now_ms: u64) -> Option<(Key, Arc<Entry>)> {
        if self.mortal.load(Ordering::Relaxed) == 0 {
            return None;
        }
        shard.take_expired(&self.readers, STORE_EXPIRY_LOOKS, now_ms)
    }

    /// An expired element was removed from its shard.
    pub(super) fn bury(&self, expired: Option<(Key, Arc<Entry>)>) {
        let Some((key, entry)) = expired else { return };
        self.forget(&entry);
        self.counters.expired.fetch_add(1, Ordering::Relaxed);
        self.changed();
        self.listeners.tell(Change { event: "expired", key: &key.bytes });
    }

    /// Subtracts a removed element.
    pub(super) fn forget(&self, entry: &Entry) {
        self.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
        self.keys.fetch_sub(1, Ordering::Relaxed);
        self.count_mortal(entry.expires_ms != 0, false);
    }

    pub(super) fn count_mortal(&self, before: bool, now: bool) {
        match (before, now) {
            (false, true) => _ = self.mortal.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.mortal.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }
}
