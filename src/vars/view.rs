//! What a snapshot holds, for Rust that does not know the engine's layout. Everything is borrowed from the snapshot.

use super::layout::*;
use super::snapshot::Snapshot;
use super::source::{Elements, Key};
use std::marker::PhantomData;

/// One value of a snapshot.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string: any bytes.
    Bytes(&'a [u8]),
    /// An array.
    Array(ArrayView<'a>),
    /// An enum case.
    Case {
        /// The name of its class, as declared.
        class: &'a [u8],
        /// Its own name.
        name: &'a [u8],
    },
}

/// The key of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyView<'a> {
    /// An integer.
    Int(i64),
    /// A string: any bytes.
    Bytes(&'a [u8]),
}

/// One array of a snapshot.
#[derive(Debug, Clone, Copy)]
pub struct ArrayView<'a> {
    array: *const ZArray,
    snapshot: PhantomData<&'a Snapshot>,
}

impl Snapshot {
    /// The published array.
    #[must_use]
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView { array: self.root(), snapshot: PhantomData }
    }
}

impl<'a> ArrayView<'a> {
    fn header(&self) -> &'a ZArray {
        // SAFETY: the array is in the arena of a snapshot that is borrowed for 'a, and never written.
        unsafe { &*self.array }
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header().count as usize
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key of the next `[]`, as the engine keeps it.
    #[must_use]
    pub fn next_free(&self) -> i64 {
        self.header().next_free
    }

    /// Whether its keys are 0, 1, 2 and so on, in this order (`array_is_list()`).
    #[must_use]
    pub fn is_list(&self) -> bool {
        self.iter().enumerate().all(|(position, (key, _))| key == KeyView::Int(position as i64))
    }

    /// Its elements in order.
    pub fn iter(&self) -> impl Iterator<Item = (KeyView<'a>, View<'a>)> + use<'a> {
        // SAFETY: the array is in the arena of a snapshot that is borrowed for 'a, and never written.
        let elements = unsafe { Elements::new(self.array) };
        elements.map(|(key, value)| {
            let key = match key {
                Key::Index(index) => KeyView::Int(index),
                // SAFETY: a key is in the same arena as its array.
                Key::Name(name, _) => KeyView::Bytes(unsafe { ZString::bytes(name) }),
            };
            // SAFETY: the value is an element of the array.
            (key, unsafe { view(value) })
        })
    }

    /// Distinguishes the arrays of a snapshot: an array that is in several places has one address.
    pub(super) fn address(&self) -> usize {
        self.array as usize
    }
}

/// # Safety
/// `value` must be in the arena of a snapshot that lives for 'a.
unsafe fn view<'a>(value: *const Zval) -> View<'a> {
    // SAFETY: the value lives; its union is read by its type.
    unsafe {
        match (*value).kind() {
            IS_FALSE => View::Bool(false),
            IS_TRUE => View::Bool(true),
            IS_LONG => View::Int((*value).value.long),
            IS_DOUBLE => View::Float((*value).value.double),
            IS_STRING => View::Bytes(ZString::bytes((*value).value.string)),
            IS_ARRAY => View::Array(ArrayView { array: (*value).value.array, snapshot: PhantomData }),
            IS_PTR => {
                let case: *const EnumCase = (*value).value.pointer.cast();
                View::Case { class: ZString::bytes((*case).class_name), name: ZString::bytes((*case).case_name) }
            }
            _ => View::Null,
        }
    }
}
