/* Copies of a snapshot into the request heap: the whole of it for long-lived scripts, or only the arrays that lead to
 * an enum case. Memory is the request's: after a bailout in the middle, the end of the request frees it. */
#include "internal.h"

/* Set by Rust's vars::arena on each array that holds an enum case at any depth. The engine never sees such an array. */
#define IGOR_LEADS_TO_ENUM(array) ((array)->u.v._unused2 != 0)

typedef struct {
	bool everything; /* copy strings and arrays too; otherwise they are taken from the arena as they are */
	HashTable *seen; /* arena array => its copy, so that what is shared stays shared; NULL when nothing is */
} igor_copy;

static zend_array *igor_copy_array(igor_copy *copy, const zend_array *source);

static zend_string *igor_copy_string(igor_copy *copy, zend_string *source)
{
	zend_string *into;

	if (!copy->everything) {
		return source;
	}
	into = zend_string_init_fast(ZSTR_VAL(source), ZSTR_LEN(source));
	if (!ZSTR_IS_INTERNED(into)) {
		ZSTR_H(into) = ZSTR_H(source);
		GC_ADD_FLAGS(into, GC_FLAGS(source) & IS_STR_VALID_UTF8);
	}
	return into;
}

/* False: an exception was thrown, and `into` holds nothing. */
static bool igor_copy_value(igor_copy *copy, zval *into, const zval *source)
{
	switch (Z_TYPE_P(source)) {
		case IS_PTR:
			return igor_enum_resolve(into, Z_PTR_P(source));
		case IS_STRING:
			ZVAL_STR(into, igor_copy_string(copy, Z_STR_P(source)));
			return true;
		case IS_ARRAY:
			if (!copy->everything && !IGOR_LEADS_TO_ENUM(Z_ARR_P(source))) {
				ZVAL_COPY_VALUE(into, source);
				return true;
			}
			ZVAL_UNDEF(into);
			Z_ARR_P(into) = igor_copy_array(copy, Z_ARR_P(source));
			if (Z_ARR_P(into) == NULL) {
				return false;
			}
			Z_TYPE_INFO_P(into) = IS_ARRAY_EX;
			return true;
		default:
			ZVAL_COPY_VALUE(into, source);
			return true;
	}
}

static bool igor_copy_elements(igor_copy *copy, zend_array *into, const zend_array *source)
{
	zval *value, copied;
	zend_string *key;
	zend_ulong index;

	ZEND_HASH_FOREACH_KEY_VAL((zend_array *) source, index, key, value) {
		if (!igor_copy_value(copy, &copied, value)) {
			return false;
		}
		if (key != NULL) {
			zend_string *own = igor_copy_string(copy, key);

			zend_hash_add_new(into, own, &copied);
			IGOR_FAULT("copy key");
			zend_string_release(own);
		} else {
			zend_hash_index_add_new(into, index, &copied);
		}
	} ZEND_HASH_FOREACH_END();
	return true;
}

/* Recursion is bounded by the depth that a snapshot may have. NULL: an exception was thrown. */
static zend_array *igor_copy_array(igor_copy *copy, const zend_array *source)
{
	zend_array *into;

	if (copy->seen != NULL) {
		into = zend_hash_index_find_ptr(copy->seen, (zend_ulong) (uintptr_t) source);
		if (into != NULL) {
			GC_ADDREF(into);
			return into;
		}
	}
	into = zend_new_array(zend_hash_num_elements(source));
	if (!HT_IS_PACKED(source)) {
		zend_hash_real_init_mixed(into);
	}
	IGOR_FAULT("copy");
	if (!igor_copy_elements(copy, into, source)) {
		zend_array_destroy(into);
		return NULL;
	}
	into->nNextFreeElement = source->nNextFreeElement;
	if (copy->seen != NULL) {
		zend_hash_index_add_new_ptr(copy->seen, (zend_ulong) (uintptr_t) source, into);
	}
	return into;
}

/* False: an exception was thrown, and `into` holds nothing. */
bool igor_copy_root(zval *into, const igor_reading *reading)
{
	igor_copy copy = {reading->copy, NULL};
	HashTable *seen = NULL;
	zend_array *array;

	if (reading->shared) {
		ALLOC_HASHTABLE(seen);
		zend_hash_init(seen, 64, NULL, NULL, 0);
		copy.seen = seen;
	}
	array = igor_copy_array(&copy, reading->root);
	if (seen != NULL) {
		zend_hash_destroy(seen);
		FREE_HASHTABLE(seen);
	}
	if (array == NULL) {
		return false;
	}
	ZVAL_ARR(into, array);
	return true;
}
