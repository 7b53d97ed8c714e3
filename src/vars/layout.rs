//! The engine's memory layout of arrays, strings and values. The arena writes it, and the walker reads it.
//!
//! The types mirror `Zend/zend_types.h` (the same from PHP 8.2 on). They are written by hand, not generated, so that the
//! arena builds and tests without PHP, for example under Miri. `php::layout` asserts at compile time that they match the
//! headers of the linked PHP.

use std::ffi::{c_char, c_void};
use std::ptr;

/// `IS_UNDEF`: an empty place of a packed array.
pub const IS_UNDEF: u8 = 0;
/// `IS_NULL`
pub const IS_NULL: u8 = 1;
/// `IS_FALSE`
pub const IS_FALSE: u8 = 2;
/// `IS_TRUE`
pub const IS_TRUE: u8 = 3;
/// `IS_LONG`
pub const IS_LONG: u8 = 4;
/// `IS_DOUBLE`
pub const IS_DOUBLE: u8 = 5;
/// `IS_STRING`
pub const IS_STRING: u8 = 6;
/// `IS_ARRAY`
pub const IS_ARRAY: u8 = 7;
/// `IS_OBJECT`
pub const IS_OBJECT: u8 = 8;
/// `IS_RESOURCE`
pub const IS_RESOURCE: u8 = 9;
/// `IS_REFERENCE`
pub const IS_REFERENCE: u8 = 10;
/// `IS_INDIRECT`: a symbol table's pointer to a variable.
pub const IS_INDIRECT: u8 = 12;
/// `IS_PTR`: in an arena, an [`EnumCase`].
pub const IS_PTR: u8 = 13;

/// `GC_NOT_COLLECTABLE`, as bits of `gc.u.type_info`.
pub const GC_NOT_COLLECTABLE: u32 = 1 << 4;
/// `GC_IMMUTABLE`; for a string, `IS_STR_INTERNED`.
pub const GC_IMMUTABLE: u32 = 1 << 6;
/// `IS_STR_PERMANENT`: the string outlives requests. Never set in an arena: the PCRE cache would keep such a key.
pub const STR_PERMANENT: u32 = 1 << 8;
/// `IS_STR_VALID_UTF8`
pub const STR_VALID_UTF8: u32 = 1 << 9;

/// `HASH_FLAG_PACKED`: values only, the key is the position.
pub const HASH_PACKED: u32 = 1 << 2;
/// `HASH_FLAG_UNINITIALIZED`: no memory for elements yet.
pub const HASH_UNINITIALIZED: u32 = 1 << 3;
/// `HASH_FLAG_STATIC_KEYS`: every key is an integer or an interned string.
pub const HASH_STATIC_KEYS: u32 = 1 << 4;
/// Our own mark in the otherwise unused last byte of the flags: the array holds an enum case at any depth. Such an
/// array is copied for a reader (see `c/copy.c`); the engine never sees it.
pub const HASH_LEADS_TO_ENUM: u32 = 1 << 24;

/// `HT_MIN_SIZE`: the smallest table, also for packed arrays.
pub const MIN_TABLE_SIZE: u32 = 8;
/// `HT_MIN_MASK`: the hash part of a packed or empty array, two entries.
pub const MIN_MASK: u32 = -2i32 as u32;
/// `HT_INVALID_IDX`: the end of a collision chain.
pub const INVALID_INDEX: u32 = u32::MAX;

/// `zend_refcounted_h`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Refcounted {
    /// How many holders there are. Not atomic.
    pub refcount: u32,
    /// Type in the low four bits, flags above.
    pub type_info: u32,
}

/// `zval`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Zval {
    /// `zend_value`
    pub value: Value,
    /// `u1.type_info`: the type in the low byte, "is counted" above.
    pub type_info: u32,
    /// `u2`: in a hash, the next element of the collision chain.
    pub extra: u32,
}

/// `zend_value`
#[repr(C)]
#[derive(Clone, Copy)]
pub union Value {
    /// `lval`
    pub long: i64,
    /// `dval`
    pub double: f64,
    /// `str`
    pub string: *mut ZString,
    /// `arr`
    pub array: *mut ZArray,
    /// `ref`
    pub reference: *mut Reference,
    /// `zv`
    pub indirect: *mut Zval,
    /// `obj`, `res` and `ptr`
    pub pointer: *mut c_void,
}

/// `zend_string`; its bytes follow, with a NUL after the last.
#[repr(C)]
pub struct ZString {
    /// `gc`
    pub gc: Refcounted,
    /// `h`: 0 until it is computed.
    pub hash: u64,
    /// `len` in bytes, without the NUL.
    pub len: usize,
    /// `val`
    pub bytes: [u8; 0],
}

/// `zend_array`
#[repr(C)]
pub struct ZArray {
    /// `gc`
    pub gc: Refcounted,
    /// `u.flags`
    pub flags: u32,
    /// `nTableMask`
    pub mask: u32,
    /// `arData` or `arPacked`; the hash part is in front of it.
    pub data: *mut c_void,
    /// `nNumUsed`: elements and holes.
    pub used: u32,
    /// `nNumOfElements`
    pub count: u32,
    /// `nTableSize`: a power of two.
    pub table_size: u32,
    /// `nInternalPointer`
    pub internal_pointer: u32,
    /// `nNextFreeElement`: the key of the next `[]`.
    pub next_free: i64,
    /// `pDestructor`
    pub destructor: Option<unsafe extern "C" fn(*mut Zval)>,
}

/// `Bucket`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bucket {
    /// `val`
    pub value: Zval,
    /// `h`: the integer key, or the hash of `key`.
    pub hash: u64,
    /// `key`: null for an integer key.
    pub key: *mut ZString,
}

/// `zend_reference`, as far as it is read.
#[repr(C)]
pub struct Reference {
    /// `gc`
    pub gc: Refcounted,
    /// `val`
    pub value: Zval,
}

/// An enum case in an arena: both strings lie in the same arena.
#[repr(C)]
pub struct EnumCase {
    /// The class name as declared.
    pub class_name: *mut ZString,
    /// The case name.
    pub case_name: *mut ZString,
}

impl Zval {
    /// A value without content: `null`.
    pub const NULL: Self = Self { value: Value { long: 0 }, type_info: IS_NULL as u32, extra: 0 };

    /// The type, one of the `IS_*` constants.
    pub fn kind(&self) -> u8 {
        self.type_info as u8
    }
}

impl ZString {
    /// The string's bytes, without the NUL.
    ///
    /// # Safety
    /// `string` must point to a live `zend_string` that nothing writes to while the slice is used.
    pub unsafe fn bytes<'a>(string: *const ZString) -> &'a [u8] {
        // SAFETY: the caller says that the string lives; `len` bytes follow its header by definition.
        unsafe { std::slice::from_raw_parts(ptr::addr_of!((*string).bytes).cast(), (*string).len) }
    }
}

/// PHP's string hash (`zend_inline_hash_func`): DJBX33A with the top bit set, so that 0 can mean "not computed". PHP adds
/// C's `char`, whose sign depends on the platform.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 5381;
    for &byte in bytes {
        hash = hash.wrapping_mul(33).wrapping_add(byte as c_char as u64);
    }
    hash | 0x8000_0000_0000_0000
}
