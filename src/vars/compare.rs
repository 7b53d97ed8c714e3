//! Decides whether a publish would change anything, as PHP's `===` does. Only floats are compared bit for bit: -0.0
//! after 0.0 is a change, and the same NAN again is not. Compares the live source with the published arena, without a
//! copy.

use super::layout::*;
use super::pointer_map::PairSet;
use super::source::{Elements, Key, Objects, may_recur, plain};

/// Whether the live array equals a published one.
///
/// # Safety
/// Both arrays must live, unwritten, during the call. `published` must come from an arena.
pub(super) unsafe fn same(
    source: *const ZArray,
    published: *const ZArray,
    objects: &dyn Objects,
    depth: usize,
) -> bool {
    let mut comparison = Comparison { objects, known: PairSet::default() };
    // SAFETY: the caller guarantees it.
    unsafe { comparison.arrays(source, published, depth) }
}

/// Walks the source and the snapshot side by side.
struct Comparison<'a> {
    /// Knows the class and the case of an enum object of the source.
    objects: &'a dyn Objects,
    /// Arrays that were found to equal each other, so that a shared pair is compared once.
    known: PairSet,
}

impl Comparison<'_> {
    /// # Safety
    /// As for [`same`].
    unsafe fn arrays(&mut self, source: *const ZArray, published: *const ZArray, depth: usize) -> bool {
        if std::ptr::eq(source, published) {
            return true;
        }
        // SAFETY: both live.
        let (gc, counts) = unsafe { ((*source).gc, ((*source).count, (*published).count)) };
        if counts.0 != counts.1 || depth == 0 {
            return false;
        }
        if may_recur(gc) && self.known.contains((source as usize, published as usize)) {
            return true;
        }
        // SAFETY: both live and nothing writes to them.
        let pairs = unsafe { Elements::new(source).zip(Elements::new(published)) };
        for ((key, value), (published_key, published_value)) in pairs {
            // SAFETY: keys and values live with their arrays.
            let same = unsafe { keys(key, published_key) && self.values(value, published_value, depth) };
            if !same {
                return false;
            }
        }
        // Without memory to remember the pair, shared pairs could take forever. So it counts as a change, and the copy
        // will notice whether memory is left.
        !may_recur(gc) || self.known.insert((source as usize, published as usize)).is_ok()
    }

    /// # Safety
    /// As for [`same`].
    unsafe fn values(&mut self, source: *const Zval, published: *const Zval, depth: usize) -> bool {
        // SAFETY: both values live; the unions are read by their type.
        unsafe {
            let Some(source) = plain(source) else { return false };
            let (source, published) = (*source, *published);
            match (source.kind(), published.kind()) {
                (IS_OBJECT, IS_PTR) => self.enum_cases(source.value.pointer, published.value.pointer.cast()),
                (left, right) if left != right => false,
                (IS_LONG, _) => source.value.long == published.value.long,
                (IS_DOUBLE, _) => source.value.double.to_bits() == published.value.double.to_bits(),
                (IS_STRING, _) => strings(source.value.string, published.value.string),
                (IS_ARRAY, _) => self.arrays(source.value.array, published.value.array, depth - 1),
                (IS_NULL | IS_FALSE | IS_TRUE, _) => true,
                _ => false,
            }
        }
    }

    /// # Safety
    /// As for [`same`].
    unsafe fn enum_cases(&self, object: *const std::ffi::c_void, published: *const EnumCase) -> bool {
        let Some((class_name, case_name)) = self.objects.enum_case(object) else { return false };
        // SAFETY: the names live with the object, the record with the arena.
        unsafe { strings(class_name, (*published).class_name) && strings(case_name, (*published).case_name) }
    }
}

/// # Safety
/// Both keys must belong to live arrays.
unsafe fn keys(left: Key, right: Key) -> bool {
    match (left, right) {
        (Key::Index(left), Key::Index(right)) => left == right,
        (Key::Name(left, left_hash), Key::Name(right, right_hash)) => {
            // SAFETY: the caller guarantees it.
            left_hash == right_hash && unsafe { strings(left, right) }
        }
        _ => false,
    }
}

/// # Safety
/// Both strings must live.
unsafe fn strings(left: *const ZString, right: *const ZString) -> bool {
    // SAFETY: the caller guarantees it.
    unsafe { std::ptr::eq(left, right) || ZString::bytes(left) == ZString::bytes(right) }
}
