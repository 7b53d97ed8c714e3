//! Operations on many elements in one step: others see all of it, or nothing.
//!
//! A [`picture`](Store::picture) of a store shares the maps of its shards, and is taken while all locks are held, which are always
//! taken in the order of the shards. A write to a shard that is part of a picture copies its map first. So the locks
//! are held for some microseconds, whatever the size of the store. Readers of one element take no lock ([`readers`](super::readers)).

use super::entry::{Entry, Key, Known, Room, Used};
use super::map::{Map, Shard};
use super::readers::{Place, Places};
use super::shared::{Full, Store, locked};
use super::watch::Change;
use crate::limits::STORE_ELEMENT_BYTES;
use crate::sync::{MutexGuard, Ordering};
use crate::vars::Value;
use indexmap::IndexMap;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// A new element for the store.
struct New {
    shard: usize,
    key: Key,
    value: Value,
    bytes: usize,
}

impl New {
    /// The element, converted for `shard`.
    fn entry(&self, store: &Store, clock: u64) -> Entry {
        Entry {
            value: self.value.clone(),
            bytes: self.bytes,
            revision: store.changed(),
            expires_ms: 0,
            stale_ms: 0,
            used: Used::at(clock),
        }
    }
}

impl Store {
    /// How many elements there are.
    pub fn count(&self) -> usize {
        if self.mortal.load(Ordering::Relaxed) == 0 {
            return self.keys.load(Ordering::Relaxed);
        }
        let now_ms = self.now_ms();
        self.picture().iter().map(|map| map.values().filter(|entry| entry.is_live(|| now_ms)).count()).sum()
    }

    /// All keys of one moment, in no order.
    pub fn keys(&self) -> Vec<Arc<[u8]>> {
        self.elements(|key, _| key.bytes.clone())
    }

    /// All keys of one moment with their values, in no order.
    pub fn all(&self) -> Vec<(Arc<[u8]>, Value)> {
        self.elements(|key, entry| (key.bytes.clone(), entry.value.clone()))
    }

    /// The keys of the shards from `cursor` on, until there are `wanted` keys, and the next cursor; 0: the scan is
    /// complete.
    pub fn scan(&self, cursor: usize, wanted: usize) -> (usize, Vec<Arc<[u8]>>) {
        let now_ms = self.now_ms();
        let mut found = Vec::new();
        for (number, shard) in self.shards.iter().enumerate().skip(cursor) {
            if found.len() >= wanted {
                return (number, found);
            }
            let shard = locked(shard);
            let live = shard.map.iter().filter(|(_, entry)| entry.is_live(|| now_ms));
            found.extend(live.map(|(key, _)| key.bytes.clone()));
        }
        (0, found)
    }

    /// The values of some keys, of one moment.
    pub fn get_many(&self, keys: &[&[u8]]) -> Vec<Option<Value>> {
        let mut places: Vec<_> = keys.iter().map(|key| self.key(key)).enumerate().collect();
        places.sort_by_key(|(_, key)| self.shard_number(key.hash));
        let groups =
            places.chunk_by(|(_, left), (_, right)| self.shard_number(left.hash) == self.shard_number(right.hash));
        let groups: Vec<_> = groups.collect();
        let mut values = vec![None; keys.len()];
        let now_ms = self.now_ms();
        let shards: Vec<_> =
            groups.iter().map(|group| locked(&self.shards[self.shard_number(group[0].1.hash)])).collect();
        for (shard, group) in shards.iter().zip(groups) {
            let clock = shard.head.tick();
            for (place, key) in group {
                let entry = shard.get(*key, || now_ms);
                entry.iter().for_each(|entry| entry.used.set(clock));
                values[*place] = entry.map(|entry| entry.value.clone());
            }
        }
        drop(shards);
        self.count_reads(&values);
        values
    }

    fn elements<T>(&self, take: impl Fn(&Key, &Entry) -> T) -> Vec<T> {
        let now_ms = self.now_ms();
        let mut found = Vec::with_capacity(self.keys.load(Ordering::Relaxed));
        for map in self.picture() {
            let live = map.iter().filter(|(_, entry)| entry.is_live(|| now_ms));
            found.extend(live.map(|(key, entry)| take(key, entry)));
        }
        found
    }

    /// The maps of all shards, of one moment.
    fn picture(&self) -> Vec<Arc<Map>> {
        let mut maps = Vec::with_capacity(self.shards.len());
        let shards = self.lock_all();
        maps.extend(shards.iter().map(|shard| shard.map.clone()));
        maps
    }

    fn lock_all(&self) -> Vec<MutexGuard<'_, Shard>> {
        self.shards.iter().map(locked).collect()
    }

    /// Writes all elements or none; if a key occurs twice, the last value counts. None of them expires.
    ///
    /// # Errors There is no room for all of them, and not enough may be evicted.
    pub fn merge(&self, elements: Vec<(Vec<u8>, Value)>) -> Result<(), Full> {
        let new = self.prepare(elements);
        let after = room_of(&new);
        self.fits_alone(after)?;
        loop {
            let (before, full) = match self.try_merge(&new, after) {
                Ok(replaced) => {
                    drop(replaced);
                    self.tell_set(&new);
                    return Ok(());
                }
                Err(failed) => failed,
            };
            let more =
                Room { keys: after.keys.saturating_sub(before.keys), bytes: after.bytes.saturating_sub(before.bytes) };
            self.make_room_or_fail(more, full)?;
        }
    }

    /// Returns the replaced elements; or the room that they would free, and which bound is reached.
    fn try_merge(&self, new: &[New], after: Room) -> Result<Vec<Arc<Entry>>, (Room, Full)> {
        let groups: Vec<&[New]> = new.chunk_by(|left, right| left.shard == right.shard).collect();
        let mut replaced = Vec::with_capacity(new.len());
        let mut shards: Vec<_> = groups.iter().map(|group| locked(&self.shards[group[0].shard])).collect();
        let mut before = Room::default();
        for (shard, group) in shards.iter().zip(&groups) {
            let room = |room: Room, new: &New| room.plus(Room::of(shard.entry(new.key.as_ref()).map(Arc::as_ref)));
            before = group.iter().fold(before, room);
        }
        self.reserve(before, after).map_err(|full| (before, full))?;
        let step = self.readers.begin();
        for (shard, group) in shards.iter_mut().zip(&groups) {
            shard.begin();
            let clock = shard.head.tick();
            let put = |new: &New| shard.put_in(&step, &self.readers, &new.key, new.entry(self, clock));
            replaced.extend(group.iter().filter_map(put));
        }
        self.readers.end(&step, new.iter().map(|new| &new.key));
        shards.iter().for_each(|shard| shard.end());
        drop(shards);
        replaced.iter().for_each(|entry: &Arc<Entry>| self.count_mortal(entry.expires_ms != 0, false));
        Ok(replaced)
    }

    /// Replaces the content of the store by these elements, or leaves it unchanged. None of them expires.
    ///
    /// # Errors
    /// There is no room for all of them.
    pub fn replace(&self, elements: Vec<(Vec<u8>, Value)>) -> Result<(), Full> {
        let new = self.prepare(elements);
        let after = room_of(&new);
        self.fits_alone(after)?;
        let mut maps: Vec<Arc<Map>> = self.shards.iter().map(|_| Arc::default()).collect();
        let places = Arc::new(Places::default());
        for new in &new {
            let entry = Arc::new(new.entry(self, 0));
            places.insert(new.key.clone(), Place::of(entry.clone()));
            Arc::make_mut(&mut maps[new.shard]).insert(new.key.clone(), entry);
        }
        while let Err(full) = self.try_replace(&mut maps, &places, after) {
            self.make_room_or_fail(after, full)?;
        }
        self.tell_set(&new);
        // This now holds the replaced maps.
        self.tell_removed(&maps, &new);
        for map in maps {
            map.values().for_each(|entry| self.count_mortal(entry.expires_ms != 0, false));
        }
        Ok(())
    }

    /// Exchanges the maps of all shards for these.
    fn try_replace(&self, maps: &mut [Arc<Map>], places: &Arc<Places>, after: Room) -> Result<(), Full> {
        // Counted before the locks are taken: concurrent writes go to copies, because the picture holds these maps.
        let picture = self.picture();
        let rooms: Vec<Room> = picture.iter().map(|map| room_in(map)).collect();
        let mut shards = self.lock_all();
        let known = shards.iter().zip(picture.iter().zip(&rooms));
        let room = |(shard, (map, room)): (&MutexGuard<'_, Shard>, (&Arc<Map>, &Room))| {
            if Arc::ptr_eq(&shard.map, map) { *room } else { room_in(&shard.map) }
        };
        let before = known.map(room).fold(Room::default(), Room::plus);
        self.reserve(before, after)?;
        let replaced = self.exchange(&mut shards, maps, places.clone());
        drop(shards);
        drop(replaced);
        Ok(())
    }

    /// Removes everything. Readers keep what they have.
    pub fn clear(&self) {
        let mut maps: Vec<Arc<Map>> = self.shards.iter().map(|_| Arc::default()).collect();
        let mut shards = self.lock_all();
        let replaced = self.exchange(&mut shards, &mut maps, Arc::default());
        drop(shards);
        drop(replaced);
        for map in maps {
            map.values().for_each(|entry| self.forget(entry));
        }
        self.listeners.tell(Change { event: "flushdb", key: b"" });
    }

    /// Puts these maps, and the places of their elements, in the place of those of all shards.
    fn exchange(
        &self,
        shards: &mut [MutexGuard<'_, Shard>],
        maps: &mut [Arc<Map>],
        places: Arc<Places>,
    ) -> Option<Arc<Places>> {
        shards.iter().for_each(|shard| shard.begin());
        let replaced = self.readers.exchange(places);
        shards.iter_mut().zip(maps).for_each(|(shard, map)| shard.exchange(map));
        shards.iter().for_each(|shard| shard.end());
        self.changed();
        replaced
    }

    fn prepare(&self, elements: Vec<(Vec<u8>, Value)>) -> Vec<New> {
        let mut last: IndexMap<Key, Value, BuildHasherDefault<Known>> = IndexMap::default();
        for (key, value) in elements {
            let hash = self.key(&key).hash;
            last.insert(Key { hash, bytes: key.into() }, value);
        }
        let new = |(key, value): (Key, Value)| New {
            shard: self.shard_number(key.hash),
            bytes: STORE_ELEMENT_BYTES + key.bytes.len() + value.bytes(),
            key,
            value,
        };
        let mut new: Vec<New> = last.into_iter().map(new).collect();
        new.sort_by_key(|element| element.shard);
        new
    }

    /// Elements larger than the store are refused without checking its content.
    fn fits_alone(&self, after: Room) -> Result<(), Full> {
        let (bytes_max, keys_max) = (self.bytes_max.load(Ordering::Relaxed), self.keys_max.load(Ordering::Relaxed));
        let full = if after.bytes > bytes_max {
            Full::TooLarge(after.bytes, bytes_max)
        } else if after.keys > keys_max {
            Full::Keys(keys_max)
        } else {
            return Ok(());
        };
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        Err(full)
    }

    fn make_room_or_fail(&self, more: Room, full: Full) -> Result<(), Full> {
        if self.make_room_for(more, full) {
            return Ok(());
        }
        self.counters.refused.fetch_add(1, Ordering::Relaxed);
        Err(full)
    }

    fn tell_set(&self, new: &[New]) {
        if self.listeners.count() > 0 {
            new.iter().for_each(|element| self.listeners.tell(Change { event: "set", key: &element.key.bytes }));
        }
    }

    /// The live elements of these maps that are not among the new ones.
    fn tell_removed(&self, maps: &[Arc<Map>], new: &[New]) {
        if self.listeners.count() == 0 {
            return;
        }
        let now_ms = self.now_ms();
        let kept: HashSet<&Key, BuildHasherDefault<Known>> = new.iter().map(|element| &element.key).collect();
        let removed = maps.iter().flat_map(|map| map.iter());
        for (key, _) in removed.filter(|(key, entry)| entry.is_live(|| now_ms) && !kept.contains(key)) {
            self.listeners.tell(Change { event: "del", key: &key.bytes });
        }
    }
}

fn room_of(new: &[New]) -> Room {
    new.iter().fold(Room::default(), |room, element| room.plus(Room { keys: 1, bytes: element.bytes }))
}

fn room_in(map: &Map) -> Room {
    map.values().fold(Room::default(), |room, entry| room.plus(Room::of(Some(entry))))
}
