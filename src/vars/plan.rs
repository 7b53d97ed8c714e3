//! Pass 1 of a publish: walks the source array, refuses what cannot be published, and assigns each value its place in
//! the arena. It runs no code of the user and allocates nothing in PHP's request heap.
//!
//! Values that can occur more than once (an array with several holders, an interned string) are remembered by their
//! address, so each is visited and copied once: thirty levels of `[$x, $x]` remain thirty arrays.

use super::layout::*;
use super::memory::{self, NoMemory};
use super::pointer_map::PointerMap;
use super::refusal::{Reason, Refusal};
use super::source::{Elements, Key, Objects, may_recur, plain};
use std::mem::size_of;

/// The most levels of nested arrays in a snapshot; the walkers recurse that deep.
pub const MAX_DEPTH: usize = crate::limits::config::VARS_DEPTH_MAX;

/// The bounds of one snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the arena.
    pub bytes: usize,
    /// Levels of arrays, at most [`MAX_DEPTH`].
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: crate::limits::config::VARS_MAX_BYTES_DEFAULT, depth: MAX_DEPTH }
    }
}

/// The place of one array in the arena.
#[derive(Clone, Copy)]
pub(super) struct ArrayPlan {
    /// Offset of the `zend_array`; its hash part and elements follow it.
    pub(super) offset: usize,
    /// Elements for which the engine reserves room; a power of two.
    pub(super) table_size: u32,
    /// Elements to write: for a packed array with the holes, else without.
    pub(super) used: u32,
    /// Whether the keys are 0, 1, 2 …, so that no hash part is needed.
    pub(super) packed: bool,
    /// Whether an enum case is in it or below it: then a read makes the case's object first.
    pub(super) leads_to_enum: bool,
}

impl ArrayPlan {
    /// Entries of the hash part.
    pub(super) fn hash_entries(&self) -> usize {
        if self.packed || self.used == 0 { 2 } else { self.table_size as usize * 2 }
    }

    /// Of the header, the hash part and the elements.
    fn bytes(&self) -> usize {
        let element = if self.packed { size_of::<Zval>() } else { size_of::<Bucket>() };
        size_of::<ZArray>() + self.hash_entries() * size_of::<u32>() + self.used as usize * element
    }
}

/// Where everything goes. Pass 2 walks the same source in the same order and takes arrays and strings from here.
pub(super) struct Plan {
    /// Arrays in the order of their first visit.
    pub(super) arrays: Vec<ArrayPlan>,
    /// Source array => its number in `arrays`, for those that may recur.
    pub(super) array_numbers: PointerMap,
    /// Source string => its offset, for those that may recur.
    pub(super) string_offsets: PointerMap,
    /// Bytes of the arena.
    pub(super) bytes: usize,
    /// Whether an array is in more than one place.
    pub(super) shared: bool,
    /// Whether the array contains an enum case.
    pub(super) enums: bool,
}

/// Bytes that a string takes in the arena: header, bytes, NUL, and padding to the header's alignment.
pub(super) fn string_bytes(len: usize) -> usize {
    (size_of::<ZString>() + len + 1).next_multiple_of(8)
}

/// Walks the source, and reserves a place for everything in it.
struct Planner<'a> {
    plan: Plan,
    objects: &'a dyn Objects,
    /// What the configuration allows.
    limits: Limits,
}

/// Plans the arena for `source`.
///
/// # Errors
/// A [`Refusal`] that names the first value that cannot be published, in the order of the array.
///
/// # Safety
/// `source` and everything that it holds must live, unwritten, until the plan has been carried out.
pub(super) unsafe fn plan(source: *const ZArray, objects: &dyn Objects, limits: Limits) -> Result<Plan, Refusal> {
    let plan = Plan {
        arrays: Vec::new(),
        array_numbers: PointerMap::default(),
        string_offsets: PointerMap::default(),
        bytes: 0,
        shared: false,
        enums: false,
    };
    let mut planner = Planner { plan, objects, limits };
    // SAFETY: the caller guarantees it.
    unsafe { planner.array(source, 1)? };
    Ok(planner.plan)
}

impl Planner<'_> {
    /// Returns the offset of the next `bytes`.
    fn reserve(&mut self, bytes: usize) -> Result<usize, Refusal> {
        let offset = self.plan.bytes;
        match offset.checked_add(bytes) {
            Some(end) if end <= self.limits.bytes => {
                self.plan.bytes = end;
                Ok(offset)
            }
            _ => Err(Refusal::new(Reason::TooLarge(self.limits.bytes))),
        }
    }

    /// The bytes that were planned so far say how large the array is at least.
    fn no_memory(&self, _: NoMemory) -> Refusal {
        Refusal::new(Reason::OutOfMemory(self.plan.bytes))
    }

    /// Plans an array and all below it; returns whether it leads to an enum case.
    ///
    /// # Safety
    /// As for [`plan`].
    unsafe fn array(&mut self, source: *const ZArray, depth: usize) -> Result<bool, Refusal> {
        // SAFETY: the caller keeps the source alive; this borrow ends before anything else of the source is read.
        let (gc, shape) = unsafe { ((*source).gc, ArrayPlan::of(&*source)) };
        if may_recur(gc)
            && let Some(number) = self.plan.array_numbers.get(source as usize)
        {
            self.plan.shared = true;
            return Ok(self.plan.arrays[number].leads_to_enum);
        }
        if depth > self.limits.depth {
            return Err(Refusal::new(Reason::TooDeep(self.limits.depth)));
        }
        let number = self.plan.arrays.len();
        let offset = self.reserve(shape.bytes().next_multiple_of(8))?;
        memory::push(&mut self.plan.arrays, ArrayPlan { offset, ..shape }).map_err(|error| self.no_memory(error))?;
        let mut leads_to_enum = false;
        // SAFETY: the caller keeps the source alive and unwritten.
        for (key, value) in unsafe { Elements::new(source) } {
            // SAFETY: the element is part of the live source.
            let below = unsafe { self.element(key, value, depth) };
            leads_to_enum |= below.map_err(|refusal| at_key(refusal, key))?;
        }
        self.plan.arrays[number].leads_to_enum = leads_to_enum;
        // Only now: an array can only contain itself through a reference, which is refused.
        if may_recur(gc) {
            self.plan.array_numbers.insert(source as usize, number).map_err(|error| self.no_memory(error))?;
        }
        Ok(leads_to_enum)
    }

    /// # Safety
    /// As for [`plan`].
    unsafe fn element(&mut self, key: Key, value: *const Zval, depth: usize) -> Result<bool, Refusal> {
        if let Key::Name(name, _) = key {
            // SAFETY: a key lives as long as its array.
            unsafe { self.string(name)? };
        }
        // SAFETY: the value is part of the live source.
        let Some(value) = (unsafe { plain(value) }) else {
            return Err(Refusal::new(Reason::SharedReference));
        };
        // SAFETY: as above.
        let Zval { value, type_info, .. } = unsafe { *value };
        match type_info as u8 {
            IS_NULL | IS_FALSE | IS_TRUE | IS_LONG | IS_DOUBLE => Ok(false),
            // SAFETY: the type says which member of the union is set, and what it points to lives with the source.
            IS_STRING => unsafe { self.string(value.string) }.map(|()| false),
            // SAFETY: as above.
            IS_ARRAY => unsafe { self.array(value.array, depth + 1) },
            IS_OBJECT => {
                // SAFETY: as above.
                unsafe { self.object(value.pointer) }.map(|()| true)
            }
            IS_RESOURCE => Err(Refusal::new(Reason::Resource)),
            kind => Err(Refusal::new(Reason::Internal(kind))),
        }
    }

    /// # Safety
    /// The string must live as [`plan`] asks of the source.
    unsafe fn string(&mut self, source: *const ZString) -> Result<(), Refusal> {
        // SAFETY: the caller keeps the string alive.
        let (gc, len) = unsafe { ((*source).gc, (*source).len) };
        if !may_recur(gc) {
            self.reserve(string_bytes(len))?;
        } else if self.plan.string_offsets.get(source as usize).is_none() {
            let offset = self.reserve(string_bytes(len))?;
            self.plan.string_offsets.insert(source as usize, offset).map_err(|error| self.no_memory(error))?;
        }
        Ok(())
    }

    /// # Safety
    /// The object must live as [`plan`] asks of the source.
    unsafe fn object(&mut self, object: *const std::ffi::c_void) -> Result<(), Refusal> {
        let Some((class_name, case_name)) = self.objects.enum_case(object) else {
            return Err(Refusal::new(Reason::Object(self.objects.class_name(object))));
        };
        self.reserve(size_of::<EnumCase>())?;
        self.plan.enums = true;
        // SAFETY: the names live as long as the object, which the source holds.
        unsafe {
            self.string(class_name)?;
            self.string(case_name)
        }
    }
}

impl ArrayPlan {
    /// The form that a copy of `source` takes. A packed array keeps its holes, and a hash loses its deleted elements. A
    /// table has the smallest size: the engine enlarges its own copy when it writes.
    fn of(source: &ZArray) -> Self {
        let packed = source.count > 0 && source.flags & HASH_PACKED != 0;
        let used = if source.count == 0 {
            0
        } else if packed {
            source.used
        } else {
            source.count
        };
        Self { offset: 0, table_size: used.next_power_of_two().max(MIN_TABLE_SIZE), used, packed, leads_to_enum: false }
    }
}

/// Adds the key to the path of a refusal, on the way out of the walk.
fn at_key(refusal: Refusal, key: Key) -> Refusal {
    match key {
        Key::Index(index) => refusal.at_index(index),
        // SAFETY: the key's array is part of the source, which lives during the plan.
        Key::Name(name, _) => refusal.at_name(unsafe { ZString::bytes(name) }),
    }
}
