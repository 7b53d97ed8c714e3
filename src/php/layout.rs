//! Proves at compile time that `vars::layout` matches the layout of the linked PHP, which ext-php-rs reads from the
//! headers. (`c/layout.c` compares the constants.)

use crate::vars::Slot;
use crate::vars::layout::{Bucket, Reference, ZArray, ZString, Zval};
use ext_php_rs::ffi;
use std::mem::{offset_of, size_of};

const _: () = {
    assert!(size_of::<Zval>() == size_of::<ffi::zval>());
    assert!(offset_of!(Zval, type_info) == offset_of!(ffi::zval, u1));
    assert!(offset_of!(Zval, extra) == offset_of!(ffi::zval, u2));

    assert!(size_of::<ZArray>() == size_of::<ffi::HashTable>());
    assert!(offset_of!(ZArray, flags) == offset_of!(ffi::HashTable, u));
    assert!(offset_of!(ZArray, mask) == offset_of!(ffi::HashTable, nTableMask));
    assert!(offset_of!(ZArray, used) == offset_of!(ffi::HashTable, nNumUsed));
    assert!(offset_of!(ZArray, count) == offset_of!(ffi::HashTable, nNumOfElements));
    assert!(offset_of!(ZArray, table_size) == offset_of!(ffi::HashTable, nTableSize));
    assert!(offset_of!(ZArray, next_free) == offset_of!(ffi::HashTable, nNextFreeElement));
    assert!(offset_of!(ZArray, destructor) == offset_of!(ffi::HashTable, pDestructor));

    assert!(size_of::<Bucket>() == size_of::<ffi::Bucket>());
    assert!(offset_of!(Bucket, hash) == offset_of!(ffi::Bucket, h));
    assert!(offset_of!(Bucket, key) == offset_of!(ffi::Bucket, key));

    assert!(size_of::<ZString>() == offset_of!(ffi::zend_string, val));
    assert!(offset_of!(ZString, hash) == offset_of!(ffi::zend_string, h));
    assert!(offset_of!(ZString, len) == offset_of!(ffi::zend_string, len));

    assert!(offset_of!(Reference, value) == offset_of!(ffi::zend_reference, val));

    // The head of a slot is read by C.
    assert!(Slot::HEAD_BYTES == size_of::<crate::ffi::igor_slot>());
};

#[cfg(test)]
mod tests {
    use crate::vars::layout::hash_bytes;
    use std::ffi::c_char;

    unsafe extern "C" {
        /// The engine's hash of a string.
        fn zend_hash_func(start: *const c_char, len: usize) -> u64;
    }

    /// The engine adds values of C's `char`, which is signed on some processors, and reads strings in steps of eight,
    /// four and two.
    #[test]
    fn strings_have_the_hash_of_the_engine() {
        for byte in 0..=u8::MAX {
            for len in 0..=17u8 {
                let bytes: Vec<u8> = (0..len).map(|at| byte.wrapping_add(at.wrapping_mul(37))).collect();
                // SAFETY: the function reads as many bytes as its argument says, and needs no running engine.
                let of_engine = unsafe { zend_hash_func(bytes.as_ptr().cast(), bytes.len()) };
                assert_eq!(hash_bytes(&bytes), of_engine, "{bytes:?}");
            }
        }
    }
}
