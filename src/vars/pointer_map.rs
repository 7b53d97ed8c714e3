//! A map from addresses to numbers, for one walk. Addresses are not chosen by an attacker, so a multiplication is hash
//! enough; a general hash would cost more than the rest of the walk.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

#[derive(Default)]
pub(super) struct PointerMap(HashMap<usize, usize, BuildHasherDefault<AddressHasher>>);

impl PointerMap {
    pub(super) fn get(&self, address: usize) -> Option<usize> {
        self.0.get(&address).copied()
    }

    pub(super) fn insert(&mut self, address: usize, number: usize) {
        self.0.insert(address, number);
    }
}

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
        let mixed = (address as u64 >> 3).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
