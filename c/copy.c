/* Copies of a snapshot into the request heap: the whole of it for long-lived scripts, or only the arrays that lead to
 * an enum case. Memory is the request's: after a bailout in the middle, the end of the request frees it.
 *
 * A whole copy reuses the unchanged parts of the thread's copy of an older version. Publishers usually change little; then
 * a new version costs one walk and the arrays on the path to the change. The script shares these parts as any counted
 * value, and separates before it writes. */
#include "internal.h"

#include <string.h>

/* Set by Rust's vars::arena on each array that holds an enum case at any depth. The engine never sees such an array. */
#define IGOR_LEADS_TO_ENUM(array) ((array)->u.v._unused2 != 0)

/* Recently copied strings of the arena, mainly keys, which the records of a list share. These few places are enough, and a
 * collision costs one more copy or comparison. Values have separate places, because most occur only once. Powers of
 * two. */
#define IGOR_RECENT_KEYS 64
#define IGOR_RECENT_VALUES 16

typedef struct {
	const zend_string *source;
	zend_string *own; /* held by the copy that is being made, or by the older one */
} igor_recent_string;

typedef struct {
	bool everything; /* copy strings and arrays too; otherwise the copy points into the arena */
	HashTable *seen; /* arena array => its copy, so that shared arrays stay shared; NULL when nothing is */
	igor_recent_string keys[IGOR_RECENT_KEYS];
	igor_recent_string values[IGOR_RECENT_VALUES];
} igor_copy;

/* The copy of an array, in progress. */
typedef struct {
	const zend_array *source;
	zend_array *old;  /* a copy of an older version with the same shape, or NULL */
	zend_array *into; /* NULL while everything so far is the same as in `old` */
} igor_array_copy;

static zend_array *igor_copy_array(igor_copy *copy, const zend_array *source, zend_array *old);

/* Both have their hash: the arena's string, and the older copy's, from its own arena. */
static zend_always_inline bool igor_is_same_text(const zend_string *old, const zend_string *source)
{
	return ZSTR_H(old) == ZSTR_H(source) && zend_string_equal_content(old, source);
}

/* The place that remembers a string, if any. */
static zend_always_inline igor_recent_string *igor_recent(igor_recent_string *strings, size_t places,
	const zend_string *source)
{
	return &strings[((uintptr_t) source >> 5) & (places - 1)];
}

/* Whether an older copy has the same key, even as another string of the same text. */
static zend_always_inline bool igor_is_same_key(igor_copy *copy, const zend_string *source, zend_string *old)
{
	igor_recent_string *recent = igor_recent(copy->keys, IGOR_RECENT_KEYS, source);

	if (EXPECTED(recent->source == source) && EXPECTED(recent->own == old)) {
		return true;
	}
	if (!igor_is_same_text(old, source)) {
		return false;
	}
	recent->source = source;
	recent->own = old;
	return true;
}

/* A counted reference. `old` is the value at its place in an older version, or NULL. */
static zend_always_inline zend_string *igor_copy_string(igor_recent_string *recent, const zend_string *source,
	zend_string *old)
{
	if (recent->source != source) {
		recent->source = source;
		if (old != NULL && igor_is_same_text(old, source)) {
			recent->own = old;
		} else {
			recent->own = zend_string_init_fast(ZSTR_VAL(source), ZSTR_LEN(source));
			if (!ZSTR_IS_INTERNED(recent->own)) {
				ZSTR_H(recent->own) = ZSTR_H(source);
				GC_ADD_FLAGS(recent->own, GC_FLAGS(source) & IS_STR_VALID_UTF8);
			}
			return recent->own;
		}
	}
	return zend_string_copy(recent->own);
}

/* False: an exception was thrown, and `into` holds nothing. */
static zend_always_inline bool igor_copy_value(igor_copy *copy, zval *into, const zval *source, const zval *old)
{
	switch (Z_TYPE_P(source)) {
		case IS_PTR:
			return igor_enum_resolve(into, Z_PTR_P(source));
		case IS_STRING: {
			zend_string *own;

			if (!copy->everything) {
				ZVAL_COPY_VALUE(into, source);
				return true;
			}
			own = igor_copy_string(igor_recent(copy->values, IGOR_RECENT_VALUES, Z_STR_P(source)), Z_STR_P(source),
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

/* Whether both have the same bits, as a number or an address. */
static zend_always_inline bool igor_is_same(const zval *value, const zval *old)
{
	return Z_TYPE_INFO_P(value) == Z_TYPE_INFO_P(old)
		&& (Z_TYPE_P(value) < IS_LONG || Z_LVAL_P(value) == Z_LVAL_P(old));
}

/* Copies the table as it is, and then the first elements from `old`. Elements that are not replaced yet point into the
 * arena and are not counted, so the array can be destroyed at any time. */
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

static zend_always_inline bool igor_key_is_unchanged(igor_copy *copy, const Bucket *source, const Bucket *old)
{
	if (source->h != old->h) {
		return false;
	}
	if (source->key == NULL || old->key == NULL) {
		return source->key == old->key;
	}
	return igor_is_same_key(copy, source->key, old->key);
}

/* Whether a value without elements is unchanged. Arrays and enum cases are copied first, and then compared. */
static zend_always_inline bool igor_value_is_unchanged(const zval *source, const zval *old)
{
	switch (Z_TYPE_P(source)) {
		case IS_STRING:
			return Z_TYPE_P(old) == IS_STRING && igor_is_same_text(Z_STR_P(old), Z_STR_P(source));
		case IS_ARRAY:
		case IS_PTR:
			return false;
		default:
			return igor_is_same(source, old);
	}
}

/* Returns the first element from `index` on that differs from the older copy, or may differ. Most elements are skipped
 * here, so each form of array has its own tight loop. */
static uint32_t igor_skip_unchanged(igor_copy *copy, const igor_array_copy *array, uint32_t index)
{
	uint32_t used = array->source->nNumUsed;

	if (HT_IS_PACKED(array->source)) {
		const zval *source = array->source->arPacked, *old = array->old->arPacked;

		while (index < used && igor_value_is_unchanged(&source[index], &old[index])) {
			index++;
		}
	} else {
		const Bucket *source = array->source->arData, *old = array->old->arData;

		while (index < used && igor_value_is_unchanged(&source[index].val, &old[index].val)
			&& igor_key_is_unchanged(copy, &source[index], &old[index])) {
			index++;
		}
	}
	return index;
}

static zend_always_inline void igor_copy_key(igor_copy *copy, Bucket *into, const igor_array_copy *array, uint32_t index)
{
	const zend_string *key = into->key;

	if (copy->everything && key != NULL) {
		into->key = igor_copy_string(igor_recent(copy->keys, IGOR_RECENT_KEYS, key), key,
			array->old != NULL ? array->old->arData[index].key : NULL);
		IGOR_FAULT("copy key");
	}
}

/* Replaces the values that are still in the arena, from `index` on. Scalars are in their place already. False:
 * an exception was thrown. */
static bool igor_copy_rest(igor_copy *copy, igor_array_copy *array, uint32_t index)
{
	bool packed = HT_IS_PACKED(array->into);

	for (; index < array->into->nNumUsed; index++) {
		zval *place = packed ? &array->into->arPacked[index] : &array->into->arData[index].val;

		if (Z_TYPE_P(place) >= IS_STRING) {
			zval value;

			if (!igor_copy_value(copy, &value, place, array->old != NULL ? igor_element(array->old, index) : NULL)) {
				return false;
			}
			/* Not the whole zval: its other half is a link of the hash chain. */
			ZVAL_COPY_VALUE(place, &value);
		}
		if (!packed) {
			igor_copy_key(copy, &array->into->arData[index], array, index);
		}
	}
	return true;
}

/* Skips the elements that equal those of the older copy, and starts a copy at the first different one, which it includes.
 * Returns the place after it. `false`: an exception was thrown. */
static bool igor_copy_from_change(igor_copy *copy, igor_array_copy *array, uint32_t *next)
{
	bool keyed = !HT_IS_PACKED(array->source);
	uint32_t index = 0;

	for (; (index = igor_skip_unchanged(copy, array, index)) < array->source->nNumUsed; index++) {
		const zval *old = igor_element(array->old, index);
		zval value;

		if (!igor_copy_value(copy, &value, igor_element(array->source, index), old)) {
			return false;
		}
		if (!igor_is_same(&value, old)
			|| (keyed && !igor_key_is_unchanged(copy, &array->source->arData[index], &array->old->arData[index]))) {
			igor_copy_start(copy, array, index);
			ZVAL_COPY_VALUE(igor_element(array->into, index), &value);
			if (keyed) {
				igor_copy_key(copy, &array->into->arData[index], array, index);
			}
			*next = index + 1;
			return true;
		}
		/* The older copy holds it too, so it was not the last reference. */
		Z_TRY_DELREF(value);
	}
	*next = index;
	return true;
}

/* A counted reference. Recursion is bounded by the depth that a snapshot may have. NULL: an exception was thrown. */
static zend_array *igor_copy_array(igor_copy *copy, const zend_array *source, zend_array *old)
{
	igor_array_copy array = {source, old, NULL};
	uint32_t next = 0;

	if (copy->seen != NULL) {
		zend_array *into = zend_hash_index_find_ptr(copy->seen, (zend_ulong) (uintptr_t) source);

		if (into != NULL) {
			GC_ADDREF(into);
			return into;
		}
	}
	if (old != NULL && igor_has_form_of(old, source)) {
		if (!igor_copy_from_change(copy, &array, &next)) {
			return NULL;
		}
	} else {
		array.old = NULL;
		igor_copy_start(copy, &array, 0);
	}
	if (array.into == NULL) {
		array.into = old;
		GC_ADDREF(old);
	} else if (!igor_copy_rest(copy, &array, next)) {
		zend_array_destroy(array.into);
		return NULL;
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
