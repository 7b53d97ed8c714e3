/* Copies of a snapshot into the request heap: the whole of it for long-lived scripts, or only the arrays that lead to
 * an enum case. Memory is the request's: after a bailout in the middle, the end of the request frees it.
 *
 * A whole copy takes over from the thread's copy of an older version whatever is the same there: a publisher mostly
 * changes little, and then a new version costs one walk and the arrays on the way to what changed. What the script got of
 * the older copy shares it as any counted value, and separates before it writes. */
#include "internal.h"

#include <string.h>

/* Set by Rust's vars::arena on each array that holds an enum case at any depth. The engine never sees such an array. */
#define IGOR_LEADS_TO_ENUM(array) ((array)->u.v._unused2 != 0)

/* Strings of the arena that were just copied. Above all keys, which the records of a list have in common; so few places
 * are enough, and a collision costs one copy more. A power of two. */
#define IGOR_RECENT_STRINGS 16

typedef struct {
	bool everything; /* copy strings and arrays too; otherwise they are taken from the arena as they are */
	HashTable *seen; /* arena array => its copy, so that what is shared stays shared; NULL when nothing is */
	struct {
		const zend_string *source;
		zend_string *own; /* held by the copy that is being made, or by the older one */
	} recent[IGOR_RECENT_STRINGS];
} igor_copy;

/* The copy of an array while it is made. */
typedef struct {
	const zend_array *source;
	zend_array *old;  /* a copy of an older version that has the same form, or NULL */
	zend_array *into; /* NULL while everything so far is the same as in `old` */
} igor_array_copy;

static zend_array *igor_copy_array(igor_copy *copy, const zend_array *source, zend_array *old);

/* A counted reference. `old` is what stood in its place in an older version, or NULL. */
static zend_always_inline zend_string *igor_copy_string(igor_copy *copy, const zend_string *source, zend_string *old)
{
	size_t place = ((uintptr_t) source >> 5) & (IGOR_RECENT_STRINGS - 1);
	zend_string *own;

	if (!copy->everything) {
		return (zend_string *) source;
	}
	if (EXPECTED(copy->recent[place].source == source)) {
		return zend_string_copy(copy->recent[place].own);
	}
	if (old != NULL && zend_string_equals(old, (zend_string *) source)) {
		own = zend_string_copy(old);
	} else {
		own = zend_string_init_fast(ZSTR_VAL(source), ZSTR_LEN(source));
		if (!ZSTR_IS_INTERNED(own)) {
			ZSTR_H(own) = ZSTR_H(source);
			GC_ADD_FLAGS(own, GC_FLAGS(source) & IS_STR_VALID_UTF8);
		}
	}
	copy->recent[place].source = source;
	copy->recent[place].own = own;
	return own;
}

/* False: an exception was thrown, and `into` holds nothing. */
static zend_always_inline bool igor_copy_value(igor_copy *copy, zval *into, const zval *source, const zval *old)
{
	switch (Z_TYPE_P(source)) {
		case IS_PTR:
			return igor_enum_resolve(into, Z_PTR_P(source));
		case IS_STRING: {
			zend_string *own = igor_copy_string(copy, Z_STR_P(source),
				old != NULL && Z_TYPE_P(old) == IS_STRING ? Z_STR_P(old) : NULL);

			ZVAL_STR(into, own);
			return true;
		}
		case IS_ARRAY:
			if (!copy->everything && !IGOR_LEADS_TO_ENUM(Z_ARR_P(source))) {
				ZVAL_COPY_VALUE(into, source);
				return true;
			}
			Z_ARR_P(into) = igor_copy_array(copy, Z_ARR_P(source),
				old != NULL && Z_TYPE_P(old) == IS_ARRAY ? Z_ARR_P(old) : NULL);
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

/* ---- One array ----------------------------------------------------------------------------------------------- */

static zend_always_inline zval *igor_element(const zend_array *array, uint32_t index)
{
	return HT_IS_PACKED(array) ? &array->arPacked[index] : &array->arData[index].val;
}

/* Whether the elements of two arrays can be compared place by place. */
static bool igor_has_form_of(const zend_array *old, const zend_array *source)
{
	return old->nNumUsed == source->nNumUsed && old->nNumOfElements == source->nNumOfElements
		&& HT_IS_PACKED(old) == HT_IS_PACKED(source) && HT_IS_WITHOUT_HOLES(old) && HT_IS_WITHOUT_HOLES(source)
		&& old->nNextFreeElement == source->nNextFreeElement && old->nNumOfElements > 0;
}

/* Whether both are the same bits, be it a number or an address. */
static zend_always_inline bool igor_is_same(const zval *value, const zval *old)
{
	return Z_TYPE_INFO_P(value) == Z_TYPE_INFO_P(old)
		&& (Z_TYPE_P(value) < IS_LONG || Z_LVAL_P(value) == Z_LVAL_P(old));
}

/* Copies the table as it is, and then what `old` has for the first elements. What was not replaced yet points into the
 * arena and is not counted, so the array can be destroyed at any time. */
static void igor_copy_start(const igor_copy *copy, igor_array_copy *array, uint32_t same)
{
	zend_array *into = zend_array_dup((zend_array *) array->source);
	uint32_t i;

	if (copy->everything && !HT_IS_PACKED(into)) {
		HT_FLAGS(into) &= ~HASH_FLAG_STATIC_KEYS;
	}
	for (i = 0; i < same; i++) {
		/* Not the whole zval: its other half is a link of the hash chain. */
		ZVAL_COPY(igor_element(into, i), igor_element(array->old, i));
		if (!HT_IS_PACKED(into) && into->arData[i].key != NULL) {
			into->arData[i].key = zend_string_copy(array->old->arData[i].key);
		}
	}
	array->into = into;
	IGOR_FAULT("copy");
}

/* False: an exception was thrown. */
static zend_always_inline bool igor_copy_element(igor_copy *copy, igor_array_copy *array, uint32_t index)
{
	const zval *source = igor_element(array->source, index);
	const zval *old = array->old != NULL ? igor_element(array->old, index) : NULL;
	zend_string *key = NULL, *old_key = NULL;
	bool same = old != NULL;
	zval value;

	if (Z_TYPE_P(source) == IS_UNDEF) {
		return true;
	}
	if (!igor_copy_value(copy, &value, source, old)) {
		return false;
	}
	if (!HT_IS_PACKED(array->source)) {
		const Bucket *bucket = &array->source->arData[index];

		if (old != NULL) {
			old_key = array->old->arData[index].key;
			same = array->old->arData[index].h == bucket->h;
		}
		if (bucket->key != NULL) {
			key = igor_copy_string(copy, bucket->key, old_key);
			IGOR_FAULT("copy key");
		}
	}
	same = same && key == old_key && igor_is_same(&value, old);
	if (array->into == NULL) {
		if (same) {
			/* `old` holds both, so neither was the last reference. */
			Z_TRY_DELREF(value);
			if (key != NULL) {
				zend_string_delref(key);
			}
			return true;
		}
		igor_copy_start(copy, array, index);
	}
	ZVAL_COPY_VALUE(igor_element(array->into, index), &value);
	if (key != NULL) {
		array->into->arData[index].key = key;
	}
	return true;
}

/* A counted reference. Recursion is bounded by the depth that a snapshot may have. NULL: an exception was thrown. */
static zend_array *igor_copy_array(igor_copy *copy, const zend_array *source, zend_array *old)
{
	igor_array_copy array = {source, old, NULL};
	uint32_t i;

	if (copy->seen != NULL) {
		zend_array *into = zend_hash_index_find_ptr(copy->seen, (zend_ulong) (uintptr_t) source);

		if (into != NULL) {
			GC_ADDREF(into);
			return into;
		}
	}
	if (old == NULL || !igor_has_form_of(old, source)) {
		array.old = NULL;
		igor_copy_start(copy, &array, 0);
	}
	for (i = 0; i < source->nNumUsed; i++) {
		if (!igor_copy_element(copy, &array, i)) {
			if (array.into != NULL) {
				zend_array_destroy(array.into);
			}
			return NULL;
		}
	}
	if (array.into == NULL) {
		array.into = old;
		GC_ADDREF(old);
	}
	if (copy->seen != NULL) {
		zend_hash_index_add_new_ptr(copy->seen, (zend_ulong) (uintptr_t) source, array.into);
	}
	return array.into;
}

/* `old` is the thread's whole copy of an older version, which lives as long as the call, or NULL. False: an exception was
 * thrown, and `into` holds nothing. */
bool igor_copy_root(zval *into, const igor_reading *reading, zend_array *old)
{
	igor_copy copy = {.everything = reading->copy};
	HashTable *seen = NULL;
	zend_array *array;

	if (reading->shared) {
		ALLOC_HASHTABLE(seen);
		zend_hash_init(seen, 64, NULL, NULL, 0);
		copy.seen = seen;
	}
	array = igor_copy_array(&copy, reading->root, reading->copy ? old : NULL);
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
