//! A small stand-in for the publisher: builds live arrays in the engine's layout, and reads arrays back as plain Rust
//! values.

use super::super::layout::*;
use super::super::source::{Elements, Key, Objects, plain};
use std::ffi::c_void;
use std::ptr;

/// A PHP value as plain data.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    /// By its bits: NAN equals itself, and -0.0 differs from 0.0.
    Float(u64),
    Text(Vec<u8>),
    List(Vec<Data>),
    Map(Vec<(Name, Data)>),
    Case(String, String),
}

/// A key as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Name {
    Index(i64),
    Text(Vec<u8>),
}

/// An enum case of the stand-in engine: an object is a pointer to this.
pub(super) struct Case {
    class_name: *mut ZString,
    case_name: *mut ZString,
    is_enum: bool,
}

/// The stand-in engine.
pub(super) struct TestObjects;

impl Objects for TestObjects {
    fn enum_case(&self, object: *const c_void) -> Option<(*const ZString, *const ZString)> {
        // SAFETY: the tests' objects are `Case`s that live as long as their heap.
        let case = unsafe { &*object.cast::<Case>() };
        case.is_enum.then_some((case.class_name.cast_const(), case.case_name.cast_const()))
    }

    fn class_name(&self, object: *const c_void) -> String {
        // SAFETY: as above.
        unsafe { String::from_utf8_lossy(ZString::bytes((*object.cast::<Case>()).class_name)).into_owned() }
    }
}

/// The publisher's memory: everything that it made lives until it is dropped.
#[derive(Default)]
pub(super) struct Heap {
    blocks: Vec<Box<[u64]>>,
}

impl Heap {
    fn block(&mut self, bytes: usize) -> *mut u8 {
        self.blocks.push(vec![0u64; bytes.div_ceil(8)].into_boxed_slice());
        self.blocks.last_mut().expect("just pushed").as_mut_ptr().cast()
    }

    pub(super) fn string(&mut self, bytes: &[u8], refcount: u32) -> *mut ZString {
        let place = self.block(size_of::<ZString>() + bytes.len() + 1);
        let header = ZString {
            gc: Refcounted { refcount, type_info: u32::from(IS_STRING) },
            hash: 0,
            len: bytes.len(),
            bytes: [],
        };
        // SAFETY: the block is as large as the header, the bytes and the NUL.
        unsafe {
            place.cast::<ZString>().write(header);
            ptr::copy_nonoverlapping(bytes.as_ptr(), place.add(size_of::<ZString>()), bytes.len());
        }
        place.cast()
    }

    pub(super) fn value(&mut self, value: &Data) -> Zval {
        let zval = |value, kind: u8| Zval { value, type_info: u32::from(kind), extra: 0 };
        let union = super::super::layout::Value { long: 0 };
        match value {
            Data::Null => zval(union, IS_NULL),
            Data::Bool(truth) => zval(union, if *truth { IS_TRUE } else { IS_FALSE }),
            Data::Int(long) => zval(super::super::layout::Value { long: *long }, IS_LONG),
            Data::Float(bits) => zval(super::super::layout::Value { double: f64::from_bits(*bits) }, IS_DOUBLE),
            Data::Text(bytes) => zval(super::super::layout::Value { string: self.string(bytes, 1) }, IS_STRING),
            Data::List(_) | Data::Map(_) => zval(super::super::layout::Value { array: self.array(value) }, IS_ARRAY),
            Data::Case(class, case) => self.object(class, case, true),
        }
    }

    pub(super) fn object(&mut self, class: &str, case: &str, is_enum: bool) -> Zval {
        let case =
            Case { class_name: self.string(class.as_bytes(), 2), case_name: self.string(case.as_bytes(), 2), is_enum };
        let place: *mut Case = self.block(size_of::<Case>()).cast();
        // SAFETY: the block is as large as a `Case`.
        unsafe { place.write(case) };
        Zval { value: super::super::layout::Value { pointer: place.cast() }, type_info: u32::from(IS_OBJECT), extra: 0 }
    }

    /// A reference with this many holders.
    pub(super) fn reference(&mut self, target: Zval, refcount: u32) -> Zval {
        let place: *mut Reference = self.block(size_of::<Reference>()).cast();
        let header = Reference { gc: Refcounted { refcount, type_info: u32::from(IS_REFERENCE) }, value: target };
        // SAFETY: the block is as large as a `Reference`.
        unsafe { place.write(header) };
        Zval { value: super::super::layout::Value { reference: place }, type_info: u32::from(IS_REFERENCE), extra: 0 }
    }

    /// The array of a `List` or `Map`.
    pub(super) fn array(&mut self, value: &Data) -> *mut ZArray {
        match value {
            Data::List(items) => {
                let items: Vec<Zval> = items.iter().map(|item| self.value(item)).collect();
                self.packed(&items, 1)
            }
            Data::Map(pairs) => {
                let pairs: Vec<(Name, Zval)> =
                    pairs.iter().map(|(name, item)| (name.clone(), self.value(item))).collect();
                self.hash(&pairs, 1)
            }
            other => panic!("{other:?} is no array"),
        }
    }

    /// A packed array; an undefined value is a hole.
    pub(super) fn packed(&mut self, items: &[Zval], refcount: u32) -> *mut ZArray {
        let data: *mut Zval = self.block((items.len() + 1) * size_of::<Zval>()).cast();
        for (position, item) in items.iter().enumerate() {
            // SAFETY: the block has room for all items.
            unsafe { data.add(position).write(*item) };
        }
        let holes = items.iter().filter(|item| item.kind() == IS_UNDEF).count();
        let form = if items.is_empty() { HASH_UNINITIALIZED } else { HASH_PACKED };
        self.header(data.cast(), items.len(), items.len() - holes, form, items.len() as i64, refcount)
    }

    /// A hash. Its chains are not built: the publisher's own chains are never read.
    pub(super) fn hash(&mut self, pairs: &[(Name, Zval)], refcount: u32) -> *mut ZArray {
        let data: *mut Bucket = self.block((pairs.len() + 1) * size_of::<Bucket>()).cast();
        let mut next_free = i64::MIN;
        for (position, (name, item)) in pairs.iter().enumerate() {
            let (hash, key) = match name {
                Name::Index(index) => {
                    next_free = next_free.max(index.saturating_add(1));
                    (*index as u64, ptr::null_mut())
                }
                Name::Text(bytes) => (hash_bytes(bytes), self.string(bytes, 1)),
            };
            // SAFETY: the block has room for all pairs.
            unsafe { data.add(position).write(Bucket { value: *item, hash, key }) };
        }
        let form = if pairs.is_empty() { HASH_UNINITIALIZED } else { 0 };
        self.header(data.cast(), pairs.len(), pairs.len(), form, next_free, refcount)
    }

    fn header(
        &mut self,
        data: *mut c_void,
        used: usize,
        count: usize,
        flags: u32,
        next_free: i64,
        refcount: u32,
    ) -> *mut ZArray {
        let place: *mut ZArray = self.block(size_of::<ZArray>()).cast();
        let header = ZArray {
            gc: Refcounted { refcount, type_info: u32::from(IS_ARRAY) },
            flags,
            mask: MIN_MASK,
            data,
            used: used as u32,
            count: count as u32,
            table_size: (used as u32).next_power_of_two().max(8),
            internal_pointer: 0,
            next_free,
            destructor: None,
        };
        // SAFETY: the block is as large as the header.
        unsafe { place.write(header) };
        place
    }
}

/// An array value that this many places hold.
pub(super) fn array_value(array: *mut ZArray) -> Zval {
    Zval { value: super::super::layout::Value { array }, type_info: u32::from(IS_ARRAY), extra: 0 }
}

/// Reads an array back. Lists come back as lists.
pub(super) fn read(array: *const ZArray) -> Data {
    let mut pairs = Vec::new();
    // SAFETY: the tests keep the array alive.
    for (key, value) in unsafe { Elements::new(array) } {
        let name = match key {
            Key::Index(index) => Name::Index(index),
            // SAFETY: as above.
            Key::Name(name, _) => Name::Text(unsafe { ZString::bytes(name) }.to_vec()),
        };
        // SAFETY: as above.
        pairs.push((name, unsafe { read_value(value) }));
    }
    let is_list = pairs.iter().enumerate().all(|(position, (name, _))| *name == Name::Index(position as i64));
    if is_list { Data::List(pairs.into_iter().map(|(_, value)| value).collect()) } else { Data::Map(pairs) }
}

/// # Safety
/// The value must live.
unsafe fn read_value(value: *const Zval) -> Data {
    // SAFETY: the caller keeps the value alive; unions are read by their type.
    unsafe {
        let value = *plain(value).expect("the tests' references have one holder");
        match value.kind() {
            IS_NULL => Data::Null,
            IS_FALSE => Data::Bool(false),
            IS_TRUE => Data::Bool(true),
            IS_LONG => Data::Int(value.value.long),
            IS_DOUBLE => Data::Float(value.value.double.to_bits()),
            IS_STRING => Data::Text(ZString::bytes(value.value.string).to_vec()),
            IS_ARRAY => read(value.value.array),
            IS_PTR => {
                let case: *const EnumCase = value.value.pointer.cast();
                let text = |string| String::from_utf8_lossy(ZString::bytes(string)).into_owned();
                Data::Case(text((*case).class_name), text((*case).case_name))
            }
            kind => panic!("a value of type {kind} in an array that was read back"),
        }
    }
}
