/* The elements of a store for scripts: keys, values, and access as to an array. Rust has the stores (php::stores), by number. */
#include "internal.h"

#include <ext/spl/spl_exceptions.h>

#include <math.h>

/* The store of an object; NULL: an exception was thrown. */
igor_object *igor_store_of(zend_object *object)
{
	igor_object *handle = igor_handle_of(object);

	if (handle->id == 0) {
		zend_throw_error(NULL, "The object of class %s was not constructed", ZSTR_VAL(object->ce->name));
		return NULL;
	}
	if (igor_self == NULL) {
		igor_throw_outside("FrankenPHP\\SharedArray");
		return NULL;
	}
	/* A thread that the child does not have may have held a lock. */
	if (igor_forked) {
		zend_throw_exception(spl_ce_RuntimeException, "a store cannot be used in a forked process", 0);
		return NULL;
	}
	return handle;
}

/* ---- Keys and values ----------------------------------------------------------------------------------------- */

static void igor_key_of_int(igor_key *key, zend_long number)
{
	char *end = key->digits + sizeof(key->digits) - 1;

	*end = '\0';
	key->bytes = zend_print_long_to_buf(end, number);
	key->len = (size_t) (end - key->bytes);
}

void igor_key_of(igor_key *key, zend_string *name, zend_long number)
{
	if (name == NULL) {
		igor_key_of_int(key, number);
		return;
	}
	key->bytes = ZSTR_VAL(name);
	key->len = ZSTR_LEN(name);
}

/* An offset, converted like an array's. False: an exception was thrown. */
bool igor_key_of_offset(igor_key *key, zval *offset)
{
	ZVAL_DEREF(offset);
	switch (Z_TYPE_P(offset)) {
		case IS_STRING:
			igor_key_of(key, Z_STR_P(offset), 0);
			return true;
		case IS_LONG:
			igor_key_of_int(key, Z_LVAL_P(offset));
			return true;
		case IS_NULL:
			igor_key_of(key, ZSTR_EMPTY_ALLOC(), 0);
			return true;
		case IS_FALSE:
		case IS_TRUE:
			igor_key_of_int(key, Z_TYPE_P(offset) == IS_TRUE);
			return true;
		case IS_DOUBLE:
			igor_key_of_int(key, zend_dval_to_lval_safe(Z_DVAL_P(offset)));
			return EG(exception) == NULL;
		default:
			zend_type_error("Cannot access offset of type %s on FrankenPHP\\SharedArray", zend_zval_type_name(offset));
			return false;
	}
}

/* Rust's value as a PHP value. False: an exception was thrown. */
bool igor_store_value(const igor_stored *stored, zval *into)
{
	zval root;

	IGOR_FAULT("store value");
	switch (stored->kind) {
		case IGOR_STORED_BOOL:
			ZVAL_BOOL(into, stored->integer != 0);
			return true;
		case IGOR_STORED_INT:
			ZVAL_LONG(into, stored->integer);
			return true;
		case IGOR_STORED_FLOAT:
			ZVAL_DOUBLE(into, stored->real);
			return true;
		case IGOR_STORED_TEXT:
			ZVAL_STRINGL_FAST(into, stored->text, stored->len);
			return true;
		case IGOR_STORED_ARRAY:
		case IGOR_STORED_ELEMENT:
			break;
		default:
			ZVAL_NULL(into);
			return true;
	}
	if (stored->reading.copy || stored->reading.enums) {
		bool is_copied = igor_copy_root(&root, &stored->reading, NULL);

		host_read_done(igor_self->host, stored->reading.root);
		if (!is_copied) {
			return false;
		}
	} else {
		/* Never ZVAL_ARR(): it would mark the value as counted. */
		Z_ARR(root) = (zend_array *) stored->reading.root;
		Z_TYPE_INFO(root) = IS_ARRAY;
	}
	if (stored->kind == IGOR_STORED_ARRAY) {
		ZVAL_COPY_VALUE(into, &root);
		return true;
	}
	ZVAL_COPY(into, &Z_ARR(root)->arPacked[0]);
	zval_ptr_dtor(&root);
	return true;
}

/* A listed value that is not needed. */
void igor_store_skip(const igor_stored *stored)
{
	if (stored->kind >= IGOR_STORED_ARRAY && (stored->reading.copy || stored->reading.enums)) {
		host_read_done(igor_self->host, stored->reading.root);
	}
}

bool igor_store_get(igor_object *handle, const igor_key *key, bool is_read, igor_stored *stored)
{
	IGOR_FAULT("store get");
	return igor_done(host_store_get(igor_self->host, handle->id, key->bytes, key->len, is_read, stored));
}

bool igor_store_set(igor_object *handle, const igor_key *key, zval *value, double ttl, bool absent, bool *done)
{
	ZVAL_DEREF(value);
	IGOR_FAULT("store set");
	return igor_done(host_store_set(igor_self->host, handle->id, key->bytes, key->len, value, ttl, absent, done));
}

/* An argument in seconds, converted for Rust. False: an exception was thrown. */
bool igor_ttl(double *ttl, bool is_null, uint32_t argument)
{
	if (is_null) {
		*ttl = -1.0;
		return true;
	}
	if (!isfinite(*ttl) || *ttl <= 0.0) {
		zend_argument_value_error(argument, "must be a finite number of seconds greater than 0");
		return false;
	}
	return true;
}

/* ---- The reading cache --------------------------------------------------------------------------------------- */

static zend_always_inline igor_known_element *igor_element_at(igor_thread *self, uint64_t store, zend_ulong hash)
{
	return &self->elements[(hash + store) & (IGOR_ELEMENTS_SIZE - 1)];
}

/* The repeated read of an element that has not changed. False: Rust must be asked. */
static zend_always_inline bool igor_element_read_fast(zend_object *object, const zval *key, zval *into)
{
	igor_thread *self = igor_self;

	if (EXPECTED(Z_TYPE_P(key) == IS_STRING) && EXPECTED(self != NULL)) {
		const zend_string *name = Z_STR_P(key);
		uint64_t store = igor_handle_of(object)->id;
		const igor_known_element *element = igor_element_at(self, store, ZSTR_H(name));

		if (EXPECTED(element->key == name) && EXPECTED(element->hash == ZSTR_H(name)) && EXPECTED(element->store == store)
			&& EXPECTED(__atomic_load_n(element->version_at, __ATOMIC_ACQUIRE) == element->version)
			&& EXPECTED(!igor_forked)) {
			ZVAL_COPY(into, &element->value);
			return true;
		}
	}
	return false;
}

bool igor_element_read(zend_object *object, const zval *key, zval *into)
{
	return igor_element_read_fast(object, key, into);
}

static void igor_element_remove(igor_thread *self, igor_known_element *element)
{
	zval value = element->value;

	element->key = NULL;
	self->elements_held--;
	zval_ptr_dtor(&value);
}

/* Keeps what was read of an element, if it is known for how long it is right. */
void igor_element_keep(const igor_object *handle, const zend_string *key, const igor_stored *stored, zval *value)
{
	igor_thread *self = igor_self;
	igor_known_element *element;

	if (stored->version_at == NULL || !ZSTR_IS_INTERNED(key) || self->shut_down) {
		return;
	}
	element = igor_element_at(self, handle->id, ZSTR_H(key));
	if (element->key != NULL) {
		igor_element_remove(self, element);
	}
	element->key = key;
	element->hash = ZSTR_H(key);
	element->store = handle->id;
	element->version_at = stored->version_at;
	element->version = stored->version;
	ZVAL_COPY(&element->value, value);
	self->elements_held++;
}

void igor_elements_clear(igor_thread *self)
{
	size_t i;

	for (i = 0; i < IGOR_ELEMENTS_SIZE && self->elements_held > 0; i++) {
		if (self->elements[i].key != NULL) {
			igor_element_remove(self, &self->elements[i]);
		}
	}
}

/* The request heap is gone with the values, so nothing is released. */
void igor_elements_forget(igor_thread *self)
{
	size_t i;

	for (i = 0; i < IGOR_ELEMENTS_SIZE && self->elements_held > 0; i++) {
		self->elements[i].key = NULL;
	}
	self->elements_held = 0;
}

/* ---- As an array --------------------------------------------------------------------------------------------- */

/* Everything but the repeated read of an element that has not changed. */
static zend_never_inline zval *igor_shared_array_find(zend_object *object, zval *offset, int type, zval *rv)
{
	igor_object *handle = igor_store_of(object);
	igor_stored stored;
	igor_key key;

	if (handle == NULL) {
		return NULL;
	}
	if (offset == NULL) {
		zend_throw_error(NULL, "Cannot use [] for reading");
		return NULL;
	}
	if (!igor_key_of_offset(&key, offset) || !igor_store_get(handle, &key, true, &stored)) {
		return NULL;
	}
	if (stored.kind == IGOR_STORED_ABSENT && type != BP_VAR_IS) {
		zend_error(E_WARNING, "Undefined key \"%.*s\" of FrankenPHP\\SharedArray", (int) MIN(key.len, 255), key.bytes);
		if (EG(exception) != NULL) {
			return NULL;
		}
		ZVAL_NULL(rv);
		return rv;
	}
	if (!igor_store_value(&stored, rv)) {
		return NULL;
	}
	if (Z_TYPE_P(offset) == IS_STRING) {
		igor_element_keep(handle, Z_STR_P(offset), &stored, rv);
	}
	return rv;
}

zval *igor_shared_array_read(zend_object *object, zval *offset, int type, zval *rv)
{
	if (EXPECTED(offset != NULL) && igor_element_read_fast(object, offset, rv)) {
		return rv;
	}
	return igor_shared_array_find(object, offset, type, rv);
}

void igor_shared_array_write(zend_object *object, zval *offset, zval *value)
{
	igor_object *handle = igor_store_of(object);
	igor_key key;
	bool done;

	if (handle == NULL) {
		return;
	}
	if (offset == NULL) {
		zend_throw_error(NULL, "FrankenPHP\\SharedArray has no next key, so [] cannot be used for writing");
		return;
	}
	if (igor_key_of_offset(&key, offset)) {
		igor_store_set(handle, &key, value, -1.0, false, &done);
	}
}

int igor_shared_array_has(zend_object *object, zval *offset, int check_empty)
{
	igor_object *handle = igor_store_of(object);
	igor_stored stored;
	igor_key key;
	zval value;
	int result;

	if (handle == NULL || !igor_key_of_offset(&key, offset) || !igor_store_get(handle, &key, check_empty != 0, &stored)) {
		return 0;
	}
	if (stored.kind == IGOR_STORED_ABSENT || stored.kind == IGOR_STORED_NULL || !check_empty) {
		return stored.kind != IGOR_STORED_ABSENT && stored.kind != IGOR_STORED_NULL;
	}
	if (!igor_store_value(&stored, &value)) {
		return 0;
	}
	result = i_zend_is_true(&value);
	zval_ptr_dtor(&value);
	return result;
}

bool igor_store_remove(igor_object *handle, const igor_key *key, bool is_read, igor_stored *stored)
{
	IGOR_FAULT("store remove");
	return igor_done(host_store_remove(igor_self->host, handle->id, key->bytes, key->len, is_read, stored));
}

void igor_shared_array_unset(zend_object *object, zval *offset)
{
	igor_object *handle = igor_store_of(object);
	igor_stored stored;
	igor_key key;

	if (handle != NULL && igor_key_of_offset(&key, offset)) {
		igor_store_remove(handle, &key, false, &stored);
	}
}

/* False: an exception was thrown. */
bool igor_store_numbers(zend_object *object, bool exact, igor_store_counts *counts)
{
	igor_object *handle = igor_store_of(object);

	return handle != NULL && igor_done(host_store_numbers(igor_self->host, handle->id, exact, counts));
}

zend_result igor_shared_array_count(zend_object *object, zend_long *count)
{
	igor_store_counts counts;

	if (!igor_store_numbers(object, true, &counts)) {
		return FAILURE;
	}
	*count = (zend_long) counts.keys;
	return SUCCESS;
}
