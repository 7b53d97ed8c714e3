//! Pass 2 of a publish: writes the copy into one allocation, in exactly the form that the engine takes for a constant
//! array whose strings were interned in the reading request.
//!
//! - arrays: immutable, reference count 2, static keys, no iterators, a valid hash part, the next free index kept;
//! - strings: interned, reference count 2, hash computed, NUL at the end, the UTF-8 flag where it is true, and *not*
//!   permanent;
//! - values: no counted bit anywhere; no references, objects or indirections.

use super::layout::*;
use super::memory::{Memory, NoMemory};
use super::plan::{ArrayPlan, Plan, string_bytes};
use super::pointer_map::PointerMap;
use super::refusal::{Reason, Refusal};
use super::source::{Elements, Key, Objects, may_recur, plain};
use std::mem::size_of;
use std::ptr;

/// `GC_ARRAY` with the flags of an array that is never written to.
const IMMUTABLE_ARRAY: u32 = IS_ARRAY as u32 | GC_NOT_COLLECTABLE | GC_IMMUTABLE;
/// `GC_STRING` with the flags of an interned string.
const INTERNED_STRING: u32 = IS_STRING as u32 | GC_NOT_COLLECTABLE | GC_IMMUTABLE | TEETH;
/// A deliberate defect, never in a normal build: with permanent strings the test of two requests on one thread must
/// crash.
pub(super) const TEETH: u32 = if cfg!(feature = "teeth") { STR_PERMANENT } else { 0 };
/// The reference count of values that the engine never counts.
const UNCOUNTED: u32 = 2;

/// Writes the copy in one walk, in the order of the plan.
struct Writer<'a> {
    /// Where the arena starts.
    base: *mut u8,
    /// The plans of the arrays, in the order of the walk.
    arrays: &'a [ArrayPlan],
    /// Source array => the offset of its copy, for those that may recur and have been written.
    written_arrays: PointerMap,
    /// The written strings that may recur.
    string_offsets: &'a PointerMap,
    /// Source string => the offset of its copy.
    written_strings: PointerMap,
    /// The index of the next plan.
    next_array: usize,
    /// The position of the walk, in the order in which the plan reserved places.
    cursor: usize,
    /// Knows the class and the case of an enum object.
    objects: &'a dyn Objects,
}

/// Carries the plan out. The root array is at offset 0 of the memory.
///
/// # Safety
/// `source` must be the array that was planned, unchanged since.
pub(super) unsafe fn write(source: *const ZArray, plan: &Plan, objects: &dyn Objects) -> Result<Memory, Refusal> {
    let no_memory = || Refusal::new(Reason::OutOfMemory(plan.bytes));
    let memory = Memory::allocate(plan.bytes).ok_or_else(no_memory)?;
    let mut writer = Writer {
        base: memory.base(),
        arrays: &plan.arrays,
        written_arrays: PointerMap::with_room_of(&plan.array_numbers).map_err(|NoMemory| no_memory())?,
        string_offsets: &plan.string_offsets,
        written_strings: PointerMap::with_room_of(&plan.string_offsets).map_err(|NoMemory| no_memory())?,
        next_array: 0,
        cursor: 0,
        objects,
    };
    // SAFETY: the memory holds `plan.bytes`, and the walk takes places in the order in which the plan assigned them.
    unsafe { writer.array(source) };
    debug_assert_eq!(writer.cursor, plan.bytes);
    Ok(memory)
}

impl Writer<'_> {
    /// The next bytes of the arena. The plan has counted the same bytes, so they are there.
    fn take(&mut self, bytes: usize) -> *mut u8 {
        let offset = self.cursor;
        self.cursor += bytes;
        // SAFETY: the plan reserved every place that the walk takes, in this order, so the offset is in the memory.
        unsafe { self.base.add(offset) }
    }

    /// # Safety
    /// `source` lives and was planned.
    unsafe fn array(&mut self, source: *const ZArray) -> *mut ZArray {
        // SAFETY: the source lives.
        let gc = unsafe { (*source).gc };
        if may_recur(gc)
            && let Some(offset) = self.written_arrays.get(source as usize)
        {
            // SAFETY: the offset is that of an array written before.
            return unsafe { self.base.add(offset).cast() };
        }
        let plan = self.arrays[self.next_array];
        self.next_array += 1;
        // SAFETY: as for the function.
        let copy = unsafe { self.array_body(source, plan) };
        if may_recur(gc) {
            remember(&mut self.written_arrays, source as usize, plan.offset);
        }
        copy
    }

    /// # Safety
    /// `source` lives, and `plan` is its plan.
    unsafe fn array_body(&mut self, source: *const ZArray, plan: ArrayPlan) -> *mut ZArray {
        debug_assert_eq!(self.cursor, plan.offset);
        let element = if plan.packed { size_of::<Zval>() } else { size_of::<Bucket>() };
        let hash_bytes = plan.hash_entries() * size_of::<u32>();
        let bytes = size_of::<ZArray>() + hash_bytes + plan.used as usize * element;
        let header: *mut ZArray = self.take(bytes.next_multiple_of(8)).cast();
        // SAFETY: the place is as large as computed here and in the plan; all offsets lie in it.
        unsafe {
            let hash: *mut u32 = header.add(1).cast();
            for entry in 0..plan.hash_entries() {
                hash.add(entry).write(INVALID_INDEX);
            }
            let data: *mut u8 = hash.cast::<u8>().add(hash_bytes);
            header.write(ZArray {
                gc: Refcounted { refcount: UNCOUNTED, type_info: IMMUTABLE_ARRAY },
                flags: flags(plan),
                mask: if plan.packed || plan.used == 0 { MIN_MASK } else { (plan.table_size * 2).wrapping_neg() },
                data: data.cast(),
                used: plan.used,
                count: (*source).count,
                table_size: plan.table_size,
                internal_pointer: 0,
                next_free: (*source).next_free,
                destructor: None,
            });
            if plan.packed {
                self.packed_elements(source, data.cast(), plan.used);
            } else {
                self.hash_elements(source, data.cast(), (*header).mask);
            }
        }
        header
    }

    /// # Safety
    /// `into` has room for `used` values.
    unsafe fn packed_elements(&mut self, source: *const ZArray, into: *mut Zval, used: u32) {
        let hole = Zval { value: Value { long: 0 }, type_info: u32::from(IS_UNDEF), extra: 0 };
        // SAFETY: a packed array's keys are its positions, all below `used`.
        unsafe {
            for position in 0..used as usize {
                into.add(position).write(hole);
            }
            for (key, value) in Elements::new(source) {
                if let Key::Index(position) = key {
                    into.add(position as usize).write(self.value(value));
                }
            }
        }
    }

    /// # Safety
    /// `into` has room for the array's elements, and its hash part with this mask is in front of it.
    unsafe fn hash_elements(&mut self, source: *const ZArray, into: *mut Bucket, mask: u32) {
        // SAFETY: the plan counted the elements; the chain heads are addressed as the engine addresses them.
        unsafe {
            for (position, (key, value)) in Elements::new(source).enumerate() {
                let (hash, key) = match key {
                    Key::Index(index) => (index as u64, ptr::null_mut()),
                    Key::Name(name, hash) => (hash, self.string(name)),
                };
                let head = into.cast::<u32>().offset((hash as u32 | mask) as i32 as isize);
                let mut value = self.value(value);
                value.extra = head.read();
                into.add(position).write(Bucket { value, hash, key });
                head.write(position as u32);
            }
        }
    }

    /// # Safety
    /// `source` is a value of the planned array.
    unsafe fn value(&mut self, source: *const Zval) -> Zval {
        // SAFETY: the plan refused every value that is not covered here; unions are read by their type.
        unsafe {
            let source = plain(source).map_or(Zval::NULL, |value| *value);
            let kind = source.kind();
            let (value, kind) = match kind {
                IS_STRING => (Value { string: self.string(source.value.string) }, kind),
                IS_ARRAY => (Value { array: self.array(source.value.array) }, kind),
                IS_OBJECT => (Value { pointer: self.enum_case(source.value.pointer).cast() }, IS_PTR),
                _ => (source.value, kind),
            };
            Zval { value, type_info: u32::from(kind), extra: 0 }
        }
    }

    /// # Safety
    /// `object` is an enum case that was planned.
    unsafe fn enum_case(&mut self, object: *const std::ffi::c_void) -> *mut EnumCase {
        let record: *mut EnumCase = self.take(size_of::<EnumCase>()).cast();
        let (class_name, case_name) = self.objects.enum_case(object).unwrap_or((ptr::null(), ptr::null()));
        // SAFETY: the plan found the same names, which live with the object.
        unsafe {
            let class_name = self.string(class_name);
            let case_name = self.string(case_name);
            record.write(EnumCase { class_name, case_name });
        }
        record
    }

    /// # Safety
    /// `source` is a string of the planned array.
    unsafe fn string(&mut self, source: *const ZString) -> *mut ZString {
        // SAFETY: the string lives; its place in the arena was planned.
        unsafe {
            let address = source as usize;
            if may_recur((*source).gc)
                && let Some(offset) = self.string_offsets.get(address)
                && self.written_strings.get(address).is_some()
            {
                return self.base.add(offset).cast();
            }
            let bytes = ZString::bytes(source);
            let place = self.take(string_bytes(bytes.len()));
            write_string(place, bytes, (*source).hash, (*source).gc.type_info & STR_VALID_UTF8 != 0);
            if may_recur((*source).gc) {
                remember(&mut self.written_strings, address, place as usize - self.base as usize);
            }
            place.cast()
        }
    }
}

/// The maps have room for all that the plan found to recur.
fn remember(map: &mut PointerMap, address: usize, offset: usize) {
    let inserted = map.insert(address, offset);
    debug_assert_eq!(inserted, Ok(()), "pass 2 met something that pass 1 had not");
}

/// The hash flags as the engine sets them for an immutable array.
fn flags(plan: ArrayPlan) -> u32 {
    let form = if plan.used == 0 {
        HASH_UNINITIALIZED
    } else if plan.packed {
        HASH_PACKED
    } else {
        0
    };
    form | HASH_STATIC_KEYS | if plan.leads_to_enum { HASH_LEADS_TO_ENUM } else { 0 }
}

/// # Safety
/// `place` has room for [`string_bytes`] of `bytes.len()`.
unsafe fn write_string(place: *mut u8, bytes: &[u8], known_hash: u64, known_utf8: bool) {
    let utf8 = known_utf8 || std::str::from_utf8(bytes).is_ok();
    let header = ZString {
        gc: Refcounted { refcount: UNCOUNTED, type_info: INTERNED_STRING | if utf8 { STR_VALID_UTF8 } else { 0 } },
        hash: if known_hash != 0 { known_hash } else { hash_bytes(bytes) },
        len: bytes.len(),
        bytes: [],
    };
    // SAFETY: the caller provides the room; the padding after the NUL is never read.
    unsafe {
        place.cast::<ZString>().write(header);
        let into = place.add(size_of::<ZString>());
        ptr::copy_nonoverlapping(bytes.as_ptr(), into, bytes.len());
        into.add(bytes.len()).write(0);
    }
}
