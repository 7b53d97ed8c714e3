/* All keys or elements of a store as a PHP array. Rust holds the list (php::stores), and C takes one element after the other. */
#include "internal.h"

/* A key as in an array: a decimal number is an integer. */
static void igor_store_key(zend_string *key, zval *into)
{
	zend_ulong number;

	/* Also reads the byte after the text. */
	if (ZEND_HANDLE_NUMERIC_STR(ZSTR_VAL(key), ZSTR_LEN(key), number)) {
		ZVAL_LONG(into, (zend_long) number);
		zend_string_release(key);
	} else {
		ZVAL_STR(into, key);
	}
}

bool igor_store_list(zend_object *object, bool with_values, zval *into)
{
	igor_object *handle = igor_store_of(object);
	const char *name;
	size_t len, index;
	igor_stored stored;
	uint64_t list;

	if (handle == NULL || !igor_done(host_store_list(igor_self->host, handle->id, with_values, &list))) {
		return false;
	}
	array_init(into);
	for (index = 0; host_store_listed(igor_self->host, list, index, &name, &len, &stored); index++) {
		zend_string *key = zend_string_init(name, len, 0);
		zval value;

		IGOR_FAULT("store list");
		if (!with_values) {
			igor_store_key(key, &value);
			zend_hash_next_index_insert(Z_ARRVAL_P(into), &value);
			continue;
		}
		if (!igor_store_value(&stored, &value)) {
			zend_string_release(key);
			break;
		}
		zend_symtable_update(Z_ARRVAL_P(into), key, &value);
		zend_string_release(key);
	}
	host_store_list_end(igor_self->host, list);
	if (EG(exception) != NULL) {
		zval_ptr_dtor(into);
		ZVAL_UNDEF(into);
		return false;
	}
	return true;
}
