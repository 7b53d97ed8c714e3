//! A map from addresses to numbers, for one walk. An attacker cannot choose addresses, so a multiplication is a good
//! enough hash; a general hash would cost more than the rest of the walk. The first entries are stored inline, so a
//! small array, as most are, needs no allocation.

use super::memory::{NoMemory, may_allocate};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Entries without hashing: up to this number, comparing each one is faster.
const IN_LINE: usize = 12;

/// A map from addresses to numbers. Most arrays share little, so the first entries need no allocation.
#[derive(Default)]
pub(super) struct PointerMap {
    /// The first entries, searched one by one.
    line: [(usize, usize); IN_LINE],
    /// Entries of `line`.
    used: usize,
    /// The entries that `line` has no room for.
    more: HashMap<usize, usize, BuildHasherDefault<AddressHasher>>,
}

impl PointerMap {
    pub(super) fn get(&self, address: usize) -> Option<usize> {
        let in_line = self.line[..self.used].iter().find(|(known, _)| *known == address).map(|(_, number)| *number);
        if in_line.is_some() || self.more.is_empty() {
            return in_line;
        }
        self.more.get(&address).copied()
    }

    /// An empty map with room for all entries of `other`, so that inserting them cannot fail.
    pub(super) fn with_room_of(other: &Self) -> Result<Self, NoMemory> {
        let mut map = Self::default();
        if !other.more.is_empty() {
            may_allocate()?;
            map.more.try_reserve(other.more.len()).map_err(|_| NoMemory)?;
        }
        Ok(map)
    }

    /// Adds a new address.
    pub(super) fn insert(&mut self, address: usize, number: usize) -> Result<(), NoMemory> {
        if self.used < IN_LINE {
            self.line[self.used] = (address, number);
            self.used += 1;
            return Ok(());
        }
        if self.more.len() == self.more.capacity() {
            may_allocate()?;
            self.more.try_reserve(1).map_err(|_| NoMemory)?;
        }
        self.more.insert(address, number);
        Ok(())
    }
}

/// A set of pairs of addresses, made the same way.
#[derive(Default)]
pub(super) struct PairSet {
    line: [(usize, usize); IN_LINE],
    /// Entries of `line`.
    used: usize,
    more: HashSet<(usize, usize), BuildHasherDefault<AddressHasher>>,
}

impl PairSet {
    /// The order in the pair counts: the source comes first.
    pub(super) fn contains(&self, pair: (usize, usize)) -> bool {
        self.line[..self.used].contains(&pair) || (!self.more.is_empty() && self.more.contains(&pair))
    }

    pub(super) fn insert(&mut self, pair: (usize, usize)) -> Result<(), NoMemory> {
        if self.used < IN_LINE {
            self.line[self.used] = pair;
            self.used += 1;
            return Ok(());
        }
        if self.more.len() == self.more.capacity() {
            may_allocate()?;
            self.more.try_reserve(1).map_err(|_| NoMemory)?;
        }
        self.more.insert(pair);
        Ok(())
    }
}

/// Addresses need no defence against chosen collisions, and are spread by one multiplication.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("addresses are hashed as usize");
    }

    fn write_usize(&mut self, address: usize) {
        // Fibonacci hashing; the fold brings the well-mixed high bits down to where the table looks.
        let mixed = (self.0.rotate_left(29) ^ (address as u64 >> 3)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_in_line_and_beyond() {
        let mut map = PointerMap::default();
        for number in 0..1000 {
            assert_eq!(map.get(number * 8 + 8), None);
            assert_eq!(map.insert(number * 8 + 8, number), Ok(()));
        }
        assert!((0..1000).all(|number| map.get(number * 8 + 8) == Some(number)));
    }
}
