//! A value that Rust makes, and the snapshot of it. PHP reads it as it reads what PHP has published.

use super::layout::*;
use super::plan::Limits;
use super::refusal::Refusal;
use super::snapshot::Snapshot;
use super::source::Objects;
use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

/// One value. Clones share its memory, and so do the snapshots made of it: an array or a string that is in several
/// places is copied once.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A string: any bytes.
    Bytes(Arc<[u8]>),
    /// An array.
    Array(Arc<ArrayNode>),
    /// An enum case.
    Case {
        /// The name of its class.
        class: Arc<[u8]>,
        /// Its own name.
        name: Arc<[u8]>,
    },
}

/// The key of an element. As in PHP, a string that is a decimal integer is an integer key: see [`NodeKey::of`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NodeKey {
    /// An integer.
    Int(i64),
    /// Any other string.
    Bytes(Arc<[u8]>),
}

/// An array.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ArrayNode {
    elements: Vec<(NodeKey, Node)>,
    /// Where each key is. `None`: the array is a list, so each key is its own place.
    places: Option<HashMap<NodeKey, usize>>,
    next_free: i64,
}

impl NodeKey {
    /// The key that PHP makes of a string.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok();
        let number = text.and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text));
        number.map_or_else(|| Self::Bytes(bytes.into()), Self::Int)
    }
}

impl ArrayNode {
    /// Sets an element, as `$array[$key] = $value` does: a key that exists keeps its place.
    pub fn set(&mut self, key: NodeKey, value: Node) {
        if let Some(place) = self.place(&key) {
            self.elements[place].1 = value;
            return;
        }
        if let NodeKey::Int(index) = key {
            self.next_free = self.next_free.max(index.saturating_add(1));
        }
        let place = self.elements.len();
        if self.places.is_none() && key != NodeKey::Int(place as i64) {
            self.places =
                Some(self.elements.iter().enumerate().map(|(place, (key, _))| (key.clone(), place)).collect());
        }
        if let Some(places) = &mut self.places {
            places.insert(key.clone(), place);
        }
        self.elements.push((key, value));
    }

    fn place(&self, key: &NodeKey) -> Option<usize> {
        match (&self.places, key) {
            (Some(places), key) => places.get(key).copied(),
            (None, NodeKey::Int(index)) => usize::try_from(*index).ok().filter(|place| *place < self.elements.len()),
            (None, NodeKey::Bytes(_)) => None,
        }
    }

    /// Appends an element, as `$array[] = $value` does.
    pub fn push(&mut self, value: Node) {
        self.set(NodeKey::Int(self.next_free), value);
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &NodeKey) -> Option<&Node> {
        self.place(key).map(|place| &self.elements[place].1)
    }

    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// The next `[]` gets at least this key.
    pub(super) fn raise_next_free(&mut self, next_free: i64) {
        self.next_free = self.next_free.max(next_free);
    }

    /// A snapshot of the array.
    ///
    /// # Errors The limits, or the memory of the system, do not allow it.
    pub fn snapshot(&self, limits: Limits) -> Result<Snapshot, Refusal> {
        let mut source = Source::default();
        let root = source.array(self, 1);
        // SAFETY: everything that the array holds is in `source`, which nothing changes during the call.
        unsafe { Snapshot::copy_of(root, &Cases, limits) }
    }

    /// The same, but `None` if `published` holds this array already.
    ///
    /// # Errors As for [`snapshot`](Self::snapshot).
    pub fn snapshot_unless_equal(
        &self,
        published: Option<&Snapshot>,
        limits: Limits,
    ) -> Result<Option<Snapshot>, Refusal> {
        let mut source = Source::default();
        let root = source.array(self, 1);
        // SAFETY: as above.
        if published.is_some_and(|published| unsafe { published.equals(root, &Cases) }) {
            return Ok(None);
        }
        // SAFETY: as above.
        unsafe { Snapshot::copy_of(root, &Cases, limits) }.map(Some)
    }
}

/// The array in the engine's layout, as a publish reads it. The inner vectors keep their addresses while the outer ones
/// grow.
#[derive(Default)]
struct Source {
    arrays: Vec<Vec<ZArray>>,
    packed: Vec<Vec<Zval>>,
    buckets: Vec<Vec<Bucket>>,
    strings: Vec<Vec<u64>>,
    cases: Vec<Vec<EnumCase>>,
    /// What has several holders, by its address.
    shared_arrays: HashMap<*const ArrayNode, *mut ZArray>,
    shared_strings: HashMap<*const u8, *mut ZString>,
}

impl Source {
    fn array(&mut self, array: &ArrayNode, holders: u32) -> *mut ZArray {
        let (data, flags) = if array.places.is_none() {
            let values = array.elements.iter().map(|(_, value)| self.value(value)).collect();
            (keep(&mut self.packed, values).cast(), HASH_PACKED)
        } else {
            let buckets = array.elements.iter().map(|(key, value)| self.bucket(key, value)).collect();
            (keep(&mut self.buckets, buckets).cast(), 0)
        };
        // More elements than that need more memory than a snapshot may have.
        let count = u32::try_from(array.elements.len()).unwrap_or(u32::MAX);
        let header = ZArray {
            gc: Refcounted { refcount: holders, type_info: u32::from(IS_ARRAY) },
            flags,
            mask: MIN_MASK,
            data,
            used: count,
            count,
            table_size: MIN_TABLE_SIZE,
            internal_pointer: 0,
            next_free: array.next_free,
            destructor: None,
        };
        keep(&mut self.arrays, vec![header])
    }

    fn bucket(&mut self, key: &NodeKey, value: &Node) -> Bucket {
        let value = self.value(value);
        match key {
            NodeKey::Int(index) => Bucket { value, hash: *index as u64, key: std::ptr::null_mut() },
            NodeKey::Bytes(bytes) => Bucket { value, hash: hash_bytes(bytes), key: self.string(bytes) },
        }
    }

    fn value(&mut self, node: &Node) -> Zval {
        let (value, kind) = match node {
            Node::Null => (Value { long: 0 }, IS_NULL),
            Node::Bool(false) => (Value { long: 0 }, IS_FALSE),
            Node::Bool(true) => (Value { long: 0 }, IS_TRUE),
            Node::Int(int) => (Value { long: *int }, IS_LONG),
            Node::Float(float) => (Value { double: *float }, IS_DOUBLE),
            Node::Bytes(bytes) => (Value { string: self.string(bytes) }, IS_STRING),
            Node::Array(array) => (Value { array: self.shared_array(array) }, IS_ARRAY),
            Node::Case { class, name } => (Value { pointer: self.case(class, name) }, IS_OBJECT),
        };
        Zval { value, type_info: u32::from(kind), extra: 0 }
    }

    fn shared_array(&mut self, array: &Arc<ArrayNode>) -> *mut ZArray {
        if Arc::strong_count(array) == 1 {
            return self.array(array, 1);
        }
        if let Some(known) = self.shared_arrays.get(&Arc::as_ptr(array)) {
            return *known;
        }
        let made = self.array(array, 2);
        self.shared_arrays.insert(Arc::as_ptr(array), made);
        made
    }

    fn case(&mut self, class: &Arc<[u8]>, name: &Arc<[u8]>) -> *mut c_void {
        let case = EnumCase { class_name: self.string(class), case_name: self.string(name) };
        keep(&mut self.cases, vec![case]).cast()
    }

    fn string(&mut self, bytes: &Arc<[u8]>) -> *mut ZString {
        if let Some(known) = self.shared_strings.get(&bytes.as_ptr()).filter(|_| Arc::strong_count(bytes) > 1) {
            return *known;
        }
        let holders = if Arc::strong_count(bytes) > 1 { 2 } else { 1 };
        let words = (size_of::<ZString>() + bytes.len() + 1).div_ceil(size_of::<u64>());
        let string: *mut ZString = keep(&mut self.strings, vec![0; words]).cast();
        // SAFETY: the room is aligned for the header, and large enough for it, the bytes and a final NUL.
        unsafe {
            string.write(ZString {
                gc: Refcounted { refcount: holders, type_info: u32::from(IS_STRING) },
                hash: hash_bytes(bytes),
                len: bytes.len(),
                bytes: [],
            });
            let into = string.byte_add(size_of::<ZString>()).cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), into, bytes.len());
        }
        if holders > 1 {
            self.shared_strings.insert(bytes.as_ptr(), string);
        }
        string
    }
}

/// The address of the first element, which stays valid as long as `into` keeps the vector.
fn keep<T>(into: &mut Vec<Vec<T>>, mut values: Vec<T>) -> *mut T {
    let address = values.as_mut_ptr();
    into.push(values);
    address
}

/// The objects of a [`Source`] are enum cases, kept as an arena keeps them.
struct Cases;

impl Objects for Cases {
    fn enum_case(&self, object: *const c_void) -> Option<(*const ZString, *const ZString)> {
        let case: *const EnumCase = object.cast();
        // SAFETY: every object of the source is such a record, which lives as long as the source.
        unsafe { Some(((*case).class_name.cast_const(), (*case).case_name.cast_const())) }
    }

    fn class_name(&self, _object: *const c_void) -> String {
        String::from("enum")
    }
}
