/* The constants of Rust's vars::layout, compared with the headers of the PHP that is linked. (The structures are compared
 * in Rust, by php::layout.) A difference stops the build, before it can damage memory. */
#include "compat.h"

_Static_assert(IS_UNDEF == 0 && IS_NULL == 1 && IS_FALSE == 2 && IS_TRUE == 3 && IS_LONG == 4, "value types");
_Static_assert(IS_DOUBLE == 5 && IS_STRING == 6 && IS_ARRAY == 7 && IS_OBJECT == 8 && IS_RESOURCE == 9, "value types");
_Static_assert(IS_REFERENCE == 10 && IS_INDIRECT == 12 && IS_PTR == 13, "value types");
_Static_assert(GC_FLAGS_SHIFT == 0, "reference-counted flags");
_Static_assert(GC_NOT_COLLECTABLE == 1 << 4 && GC_IMMUTABLE == 1 << 6, "reference-counted flags");
_Static_assert(IS_STR_INTERNED == GC_IMMUTABLE, "string flags");
_Static_assert(IS_STR_PERMANENT == 1 << 8 && IS_STR_VALID_UTF8 == 1 << 9, "string flags");
_Static_assert(HASH_FLAG_PACKED == 1 << 2 && HASH_FLAG_UNINITIALIZED == 1 << 3 && HASH_FLAG_STATIC_KEYS == 1 << 4,
	"hash flags");
_Static_assert(HT_MIN_SIZE == 8 && HT_MIN_MASK == (uint32_t) -2 && HT_INVALID_IDX == (uint32_t) -1, "hash sizes");
_Static_assert(sizeof(((zend_array *) 0)->u.v._unused2) == 1, "the byte that marks arrays which lead to an enum case");
