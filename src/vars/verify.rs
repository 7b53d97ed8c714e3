//! Checks every rule of the arena's form (see [`arena`](super::arena)) after a publish, in debug builds and in hardened
//! mode. A broken rule is a bug that would damage readers, so the publish stops at once.

use super::arena::TEETH;
use super::layout::*;
use super::memory::{NoMemory, may_allocate};
use super::source::{Elements, Key};
use std::collections::HashSet;
use std::ops::Range;

/// Checks every rule of the layout, in debug builds and under hardened memory.
struct Walker {
    /// The addresses that pointers may have.
    arena: Range<usize>,
    /// The addresses that were visited, so that a shared part is checked once.
    seen: HashSet<usize>,
    /// There was no memory for `seen`, so the check is incomplete.
    no_memory: bool,
}

/// Walks a whole snapshot.
///
/// # Errors There is no memory to remember the visited values.
///
/// # Panics A rule is broken; the message names it.
///
/// # Safety
/// `root` is the root of a sealed snapshot in `arena`, which outlives the call.
pub(super) unsafe fn check(arena: Range<usize>, root: *const ZArray) -> Result<(), NoMemory> {
    let mut walker = Walker { arena, seen: HashSet::new(), no_memory: false };
    // SAFETY: the caller keeps the snapshot, and nothing writes to it.
    unsafe { walker.array(root) };
    if walker.no_memory { Err(NoMemory) } else { Ok(()) }
}

impl Walker {
    /// Whether this address is visited for the first time. Without memory nothing is, so that the walk ends.
    fn is_new(&mut self, address: usize) -> bool {
        if self.seen.len() == self.seen.capacity() && (may_allocate().is_err() || self.seen.try_reserve(1).is_err()) {
            self.no_memory = true;
        }
        !self.no_memory && self.seen.insert(address)
    }

    /// Panics if something is not inside of the arena, or not aligned to 8 bytes.
    fn inside<T>(&self, what: &str, pointer: *const T, bytes: usize) {
        let address = pointer as usize;
        assert!(
            self.arena.contains(&address) && address + bytes <= self.arena.end,
            "{what} is outside of its snapshot"
        );
        assert_eq!(address % 8, 0, "{what} is not aligned");
    }

    /// Returns whether the array leads to an enum case.
    ///
    /// # Safety
    /// The snapshot lives.
    unsafe fn array(&mut self, array: *const ZArray) -> bool {
        self.inside("an array", array, size_of::<ZArray>());
        // SAFETY: it is in the live arena.
        let header = unsafe { &*array };
        let marked = header.flags & HASH_LEADS_TO_ENUM != 0;
        if !self.is_new(array as usize) {
            return marked;
        }
        assert_eq!(header.gc.refcount, 2, "an array's reference count");
        assert_eq!(header.gc.type_info, u32::from(IS_ARRAY) | GC_NOT_COLLECTABLE | GC_IMMUTABLE, "an array's flags");
        let packed = header.flags & HASH_PACKED != 0;
        let form = header.flags & !(HASH_LEADS_TO_ENUM | HASH_STATIC_KEYS | HASH_PACKED | HASH_UNINITIALIZED);
        assert_eq!(form, 0, "an array's hash flags");
        assert_ne!(header.flags & HASH_STATIC_KEYS, 0, "an array without static keys");
        assert_eq!(header.flags & HASH_UNINITIALIZED != 0, header.count == 0, "an empty array's flag");
        assert!(header.table_size.is_power_of_two() && header.table_size >= MIN_TABLE_SIZE, "an array's table size");
        assert!(header.count <= header.used && header.used <= header.table_size, "an array's counts");
        let has_hash = !packed && header.count > 0;
        assert_eq!(
            header.mask,
            if has_hash { (header.table_size * 2).wrapping_neg() } else { MIN_MASK },
            "an array's mask"
        );
        assert!(header.destructor.is_none(), "an array's destructor");
        let element = if packed { size_of::<Zval>() } else { size_of::<Bucket>() };
        if header.used > 0 {
            self.inside("an array's elements", header.data.cast_const(), header.used as usize * element);
        }
        if has_hash {
            // SAFETY: the elements lie in the live arena, and the hash part in front of them.
            unsafe { check_chains(header) };
        }
        // SAFETY: the array lives and nothing writes to it.
        let leads = unsafe { self.elements(array) };
        assert_eq!(leads, marked, "an array's enum mark");
        leads
    }

    /// # Safety
    /// The snapshot lives.
    unsafe fn elements(&mut self, array: *const ZArray) -> bool {
        let mut leads = false;
        let mut count = 0;
        // SAFETY: the array and its elements live in the arena.
        unsafe {
            for (key, value) in Elements::new(array) {
                count += 1;
                if let Key::Name(name, hash) = key {
                    self.string(name);
                    assert_eq!((*name).hash, hash, "a key's hash");
                }
                leads |= self.value(*value);
            }
            assert_eq!(count, (*array).count, "an array's number of elements");
        }
        leads
    }

    /// # Safety
    /// The snapshot lives.
    unsafe fn value(&mut self, value: Zval) -> bool {
        assert_eq!(value.type_info >> 8, 0, "a value with a counted bit");
        // SAFETY: unions are read by their type.
        unsafe {
            match value.kind() {
                IS_NULL | IS_FALSE | IS_TRUE | IS_LONG | IS_DOUBLE => false,
                IS_STRING => {
                    self.string(value.value.string);
                    false
                }
                IS_ARRAY => self.array(value.value.array),
                IS_PTR => {
                    let record: *const EnumCase = value.value.pointer.cast();
                    self.inside("an enum case", record, size_of::<EnumCase>());
                    self.string((*record).class_name);
                    self.string((*record).case_name);
                    true
                }
                kind => panic!("a value of type {kind} in a snapshot"),
            }
        }
    }

    /// # Safety
    /// The snapshot lives.
    unsafe fn string(&mut self, string: *const ZString) {
        self.inside("a string", string, size_of::<ZString>());
        if !self.is_new(string as usize) {
            return;
        }
        // SAFETY: it is in the live arena; its bytes are checked to lie there too before they are read.
        unsafe {
            self.inside("a string's bytes", string, size_of::<ZString>() + (*string).len + 1);
            let bytes = ZString::bytes(string);
            assert_eq!((*string).gc.refcount, 2, "a string's reference count");
            let utf8 = if std::str::from_utf8(bytes).is_ok() { STR_VALID_UTF8 } else { 0 };
            let flags = u32::from(IS_STRING) | GC_NOT_COLLECTABLE | GC_IMMUTABLE | TEETH | utf8;
            assert_eq!((*string).gc.type_info, flags, "a string's flags (permanent is bit 8)");
            assert_eq!((*string).hash, hash_bytes(bytes), "a string's hash");
            // Not by way of the slice, which ends before it.
            let end = string.byte_add(size_of::<ZString>() + bytes.len()).cast::<u8>();
            assert_eq!(end.read(), 0, "a string's final NUL");
        }
    }
}

/// Every element must be found by its hash, and every chain must end.
///
/// # Safety
/// The array is a hash with elements in a live arena.
unsafe fn check_chains(header: &ZArray) {
    let buckets: *const Bucket = header.data.cast_const().cast();
    for position in 0..header.used {
        // SAFETY: positions and chain heads are those of the array's own table.
        unsafe {
            let hash = (*buckets.add(position as usize)).hash;
            let mut next = buckets.cast::<u32>().offset((hash as u32 | header.mask) as i32 as isize).read();
            let mut steps = 0;
            while next != position {
                assert!(next < header.used && steps <= header.used, "an element that its hash does not find");
                next = (*buckets.add(next as usize)).value.extra;
                steps += 1;
            }
        }
    }
}
