//! One value by itself, as a store holds it: scalars and short strings as they are, everything else in an arena.

use super::compare;
use super::layout::*;
use super::node::{ArrayNode, Node};
use super::plan::{Limits, MAX_DEPTH};
use super::refusal::Refusal;
use super::snapshot::Snapshot;
use super::source::{Elements, Key, Objects, plain};
use super::view::View;
use crate::limits::VALUE_STRING_COPY_BYTES_MAX;
use crate::sync::Arc;

/// An immutable value that any thread may read. A clone shares its memory.
#[derive(Clone)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A short string, copied by each reader.
    Text(std::sync::Arc<[u8]>),
    /// An array.
    Array(Arc<Snapshot>),
    /// A long string or an enum case: the only element of an array.
    Element(Arc<Snapshot>),
}

impl Value {
    /// Copies a value of PHP. Allocates nothing in the request heap and runs no user code.
    ///
    /// # Errors A [`Refusal`] that names the inner value that cannot be shared.
    ///
    /// # Safety
    /// `source` and everything that it holds must live, unwritten, during the call.
    pub unsafe fn copy_of(source: *const Zval, objects: &dyn Objects, limits: Limits) -> Result<Self, Refusal> {
        // SAFETY: the source lives; its union is read by its type.
        unsafe {
            let source = plain(source).unwrap_or(source);
            match (*source).kind() {
                IS_UNDEF | IS_NULL => Ok(Self::Null),
                IS_FALSE => Ok(Self::Bool(false)),
                IS_TRUE => Ok(Self::Bool(true)),
                IS_LONG => Ok(Self::Int((*source).value.long)),
                IS_DOUBLE => Ok(Self::Float((*source).value.double)),
                IS_STRING if (*(*source).value.string).len <= VALUE_STRING_COPY_BYTES_MAX => {
                    Ok(Self::Text(ZString::bytes((*source).value.string).into()))
                }
                IS_ARRAY => match Snapshot::copy_of((*source).value.array, objects, limits) {
                    Ok(snapshot) => Ok(Self::Array(Arc::new(snapshot))),
                    Err(refusal) => Err(refusal.of_value(false)),
                },
                _ => {
                    let mut element = *source;
                    let alone = alone(&raw mut element);
                    match Snapshot::copy_of(&raw const alone, objects, limits) {
                        Ok(snapshot) => Ok(Self::Element(Arc::new(snapshot))),
                        Err(refusal) => Err(refusal.of_value(true)),
                    }
                }
            }
        }
    }

    /// Whether it equals a value of PHP, by the rule of an unchanged publish: `===`, floats by their bits.
    ///
    /// # Safety
    /// As for [`copy_of`](Self::copy_of).
    pub unsafe fn equals(&self, source: *const Zval, objects: &dyn Objects) -> bool {
        // SAFETY: as in `copy_of()`.
        unsafe {
            let source = plain(source).unwrap_or(source);
            match (self, (*source).kind()) {
                (Self::Null, IS_UNDEF | IS_NULL) | (Self::Bool(false), IS_FALSE) | (Self::Bool(true), IS_TRUE) => true,
                (Self::Int(own), IS_LONG) => *own == (*source).value.long,
                (Self::Float(own), IS_DOUBLE) => own.to_bits() == (*source).value.double.to_bits(),
                (Self::Text(own), IS_STRING) => **own == *ZString::bytes((*source).value.string),
                (Self::Array(own), IS_ARRAY) => own.equals((*source).value.array, objects),
                (Self::Element(own), IS_STRING | IS_OBJECT) => {
                    let mut element = *source;
                    let alone = alone(&raw mut element);
                    compare::same(&raw const alone, own.root(), objects, MAX_DEPTH + 1)
                }
                _ => false,
            }
        }
    }

    /// A string of these bytes.
    pub fn of_text(bytes: &[u8]) -> Self {
        Self::Text(bytes.into())
    }

    /// The bytes of a string; `None` when it is none.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) => Some(bytes),
            // SAFETY: the array in the arena has one element, which lives as long as the snapshot that is borrowed.
            Self::Element(snapshot) => unsafe {
                let element = (*snapshot.root()).data.cast::<Zval>().cast_const();
                ((*element).kind() == IS_STRING).then(|| ZString::bytes((*element).value.string))
            },
            _ => None,
        }
    }

    /// The value, for Rust to read.
    pub fn view(&self) -> View<'_> {
        match self {
            Self::Null => View::Null,
            Self::Bool(is_true) => View::Bool(*is_true),
            Self::Int(int) => View::Int(*int),
            Self::Float(float) => View::Float(*float),
            Self::Text(bytes) => View::Bytes(bytes),
            Self::Array(snapshot) => View::Array(snapshot.view()),
            Self::Element(snapshot) => snapshot.view().iter().next().map_or(View::Null, |(_, value)| value),
        }
    }

    /// The value that Rust has made.
    ///
    /// # Errors The limits, or the memory of the system, do not allow it.
    pub fn of_node(node: Node, limits: Limits) -> Result<Self, Refusal> {
        Ok(match node {
            Node::Null => Self::Null,
            Node::Bool(is_true) => Self::Bool(is_true),
            Node::Int(int) => Self::Int(int),
            Node::Float(float) => Self::Float(float),
            Node::Bytes(bytes) if bytes.len() <= VALUE_STRING_COPY_BYTES_MAX => Self::Text(bytes),
            Node::Array(array) => Self::Array(Arc::new(array.snapshot(limits)?)),
            node => {
                let mut alone = ArrayNode::default();
                alone.push(node);
                Self::Element(Arc::new(alone.snapshot(limits)?))
            }
        })
    }

    /// The value as JSON; a string that is not UTF-8 has replacement characters, an enum case is shown by its name.
    pub fn json(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(is_true) => is_true.to_string(),
            Self::Int(int) => int.to_string(),
            Self::Float(float) => super::json::float(*float),
            Self::Text(bytes) => super::json::text(bytes),
            Self::Array(snapshot) => snapshot.json(),
            Self::Element(snapshot) => {
                snapshot.view().iter().next().map_or_else(|| "null".to_owned(), |(_, value)| super::json::value(value))
            }
        }
    }

    /// Its bytes outside the map.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Float(_) => 0,
            // The counts of its holders are in front of the bytes.
            Self::Text(bytes) => bytes.len() + 2 * size_of::<usize>(),
            Self::Array(snapshot) | Self::Element(snapshot) => snapshot.bytes(),
        }
    }

    /// Drops it without delaying a request.
    pub fn retire(self) {
        if let Self::Array(snapshot) | Self::Element(snapshot) = self {
            super::reaper::retire(snapshot);
        }
    }
}

/// The elements of a live array, with their keys as bytes.
///
/// # Safety
/// The array must live, unwritten, as long as the iterator and what it returns are used.
pub unsafe fn elements(array: *const ZArray) -> impl Iterator<Item = (Vec<u8>, *const Zval)> {
    // SAFETY: the caller guarantees it.
    let elements = unsafe { Elements::new(array) };
    elements.map(|(key, value)| {
        let key = match key {
            Key::Index(index) => index.to_string().into_bytes(),
            // SAFETY: a key lives as long as its array.
            Key::Name(name, _) => unsafe { ZString::bytes(name) }.to_vec(),
        };
        (key, value)
    })
}

/// A live list of one element, which must outlive it.
fn alone(element: *mut Zval) -> ZArray {
    ZArray {
        gc: Refcounted { refcount: 1, type_info: u32::from(IS_ARRAY) },
        flags: HASH_PACKED,
        mask: MIN_MASK,
        data: element.cast(),
        used: 1,
        count: 1,
        table_size: MIN_TABLE_SIZE,
        internal_pointer: 0,
        next_free: 1,
        destructor: None,
    }
}
