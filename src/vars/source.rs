//! Reads a live array of the publisher without changing it. It yields the elements in order, follows references that
//! have one holder only, and finds the shape that decides the layout of the copy.

use super::layout::*;

/// Facts about an object that only the engine knows.
pub trait Objects {
    /// The class and case name when the object is an enum case; the strings live as long as the object.
    fn enum_case(&self, object: *const std::ffi::c_void) -> Option<(*const ZString, *const ZString)>;
    /// The class name, for the message that refuses the object.
    fn class_name(&self, object: *const std::ffi::c_void) -> String;
}

/// The key of an element.
#[derive(Clone, Copy)]
pub(super) enum Key {
    /// An integer key.
    Index(i64),
    /// A string key with its hash.
    Name(*const ZString, u64),
}

/// The elements of an array in order, holes left out. The values are as the engine keeps them (see [`plain`]).
pub(super) struct Elements {
    /// Must live, unwritten, as long as this iterator.
    array: *const ZArray,
    /// The next place, holes included.
    position: u32,
}

impl Elements {
    /// # Safety
    /// The array must live, and nothing may write to it, as long as the iterator and what it returns are used.
    pub(super) unsafe fn new(array: *const ZArray) -> Self {
        Self { array, position: 0 }
    }
}

impl Iterator for Elements {
    type Item = (Key, *const Zval);

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: the constructor's caller keeps the array alive and unwritten; `used` bounds both forms of elements.
        unsafe {
            let array = &*self.array;
            while self.position < array.used {
                let position = self.position as usize;
                self.position += 1;
                let (key, value) = if array.flags & HASH_PACKED != 0 {
                    (Key::Index(position as i64), array.data.cast::<Zval>().add(position).cast_const())
                } else {
                    let bucket = array.data.cast::<Bucket>().add(position);
                    let key = if (*bucket).key.is_null() {
                        Key::Index((*bucket).hash as i64)
                    } else {
                        Key::Name((*bucket).key, (*bucket).hash)
                    };
                    (key, (&raw const (*bucket).value))
                };
                let value = direct(value);
                if (*value).kind() != IS_UNDEF {
                    return Some((key, value));
                }
            }
            None
        }
    }
}

/// Follows a symbol table's indirection to the variable.
///
/// # Safety
/// `value` must be a live value.
unsafe fn direct(value: *const Zval) -> *const Zval {
    // SAFETY: the caller's value lives; an indirect value points to a live variable.
    unsafe { if (*value).kind() == IS_INDIRECT { (*value).value.indirect } else { value } }
}

/// Follows a reference that has no other holder. `None`: it is shared with a variable that may change.
///
/// # Safety
/// `value` must be a live value.
pub(super) unsafe fn plain(value: *const Zval) -> Option<*const Zval> {
    // SAFETY: the caller's value lives; a reference's target lives as long as the reference.
    unsafe {
        if (*value).kind() != IS_REFERENCE {
            return Some(value);
        }
        let reference = (*value).value.reference;
        if (*reference).gc.refcount > 1 { None } else { Some(&raw const (*reference).value) }
    }
}

/// Whether a walk can meet a string or array twice: only then it is worth remembering.
pub(super) fn may_recur(gc: Refcounted) -> bool {
    gc.refcount > 1 || gc.type_info & GC_IMMUTABLE != 0
}
