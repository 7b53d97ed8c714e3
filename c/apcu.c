/* The functions and the class of the extension apcu on a store, for code that is written for it: `frankenphp { apcu STORE
 * }`. Values that a store refuses (objects, references, very deep arrays) are stored in the form of serialize(). */
#include "internal.h"
#include "apcu.h"

#include <ext/standard/basic_functions.h>
#include <ext/standard/php_var.h>
#include <php_ini.h>
#include <zend_smart_str.h>

#include <string.h>

/* The only key of an array that holds what serialize() has made. */
#define IGOR_SERIALIZED_KEY "\0igor\0serialized"
#define IGOR_SERIALIZED_KEY_LEN (sizeof(IGOR_SERIALIZED_KEY) - 1)

/* Throws when there is no store here; false then. */
bool igor_apcu_open(uint64_t *id)
{
	const char *name = INI_STR("igor.apcu");
	igor_verdict verdict;

	if (igor_self == NULL) {
		igor_throw_outside(get_active_function_name());
		return false;
	}
	if (igor_forked) {
		return false;
	}
	verdict = host_store_open(igor_self->host, name, strlen(name), id);
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		return false;
	}
	return true;
}

/* ---- Values -------------------------------------------------------------------------------------------------- */

/* As serialize() has it, in an array that says so. False: an exception was thrown. The lock is the engine's:
 * under it, a call from a method that is itself part of serialize() or unserialize() has numbers of its own for its values. PHP
 * resets the lock with each request. */
static bool igor_apcu_serialize(zval *value, zval *into)
{
	php_serialize_data_t data;
	smart_str text = {0};
	zval string;

	BG(serialize_lock)++;
	PHP_VAR_SERIALIZE_INIT(data);
	php_var_serialize(&text, value, &data);
	PHP_VAR_SERIALIZE_DESTROY(data);
	BG(serialize_lock)--;
	if (EG(exception) != NULL) {
		smart_str_free(&text);
		return false;
	}
	ZVAL_STR(&string, smart_str_extract(&text));
	array_init_size(into, 1);
	zend_hash_str_add_new(Z_ARRVAL_P(into), IGOR_SERIALIZED_KEY, IGOR_SERIALIZED_KEY_LEN, &string);
	return true;
}

/* The read value, in the form that the script stored. False: an exception was thrown. */
bool igor_apcu_value(const igor_stored *stored, zval *into)
{
	php_unserialize_data_t data;
	const unsigned char *at;
	zval *text, value;

	if (!igor_store_value(stored, &value)) {
		return false;
	}
	text = Z_TYPE(value) == IS_ARRAY && zend_hash_num_elements(Z_ARRVAL(value)) == 1
		? zend_hash_str_find(Z_ARRVAL(value), IGOR_SERIALIZED_KEY, IGOR_SERIALIZED_KEY_LEN) : NULL;
	if (text == NULL || Z_TYPE_P(text) != IS_STRING) {
		ZVAL_COPY_VALUE(into, &value);
		return true;
	}
	at = (const unsigned char *) Z_STRVAL_P(text);
	ZVAL_UNDEF(into);
	BG(serialize_lock)++;
	PHP_VAR_UNSERIALIZE_INIT(data);
	if (!php_var_unserialize(into, &at, at + Z_STRLEN_P(text), &data)) {
		zval_ptr_dtor(into);
		ZVAL_FALSE(into);
	}
	PHP_VAR_UNSERIALIZE_DESTROY(data);
	BG(serialize_lock)--;
	if (Z_ISREF_P(into)) {
		zend_unwrap_reference(into);
	}
	zval_ptr_dtor(&value);
	return EG(exception) == NULL;
}

/* Seconds to live as Rust takes them; 0 is for ever. */
static double igor_apcu_ttl(zend_long ttl)
{
	return ttl > 0 ? (double) ttl : -1.0;
}

/* Whether it was stored; false when there is no room, or the key is there already. An exception may have been thrown. */
static bool igor_apcu_set(uint64_t id, const char *key, size_t len, zval *value, zend_long ttl, bool absent)
{
	bool done = false;
	igor_verdict verdict;

	ZVAL_DEREF(value);
	if (Z_TYPE_P(value) == IS_RESOURCE) {
		php_error_docref(NULL, E_WARNING, "Cannot store resources in apcu cache");
		return false;
	}
	verdict = host_store_set(igor_self->host, id, key, len, value, igor_apcu_ttl(ttl), absent, &done);
	if (verdict == IGOR_VALUE_ERROR) {
		zval serialized;

		if (!igor_apcu_serialize(value, &serialized)) {
			return false;
		}
		verdict = host_store_set(igor_self->host, id, key, len, &serialized, igor_apcu_ttl(ttl), absent, &done);
		zval_ptr_dtor(&serialized);
	}
	return verdict == IGOR_OK && done;
}

static bool igor_apcu_get(uint64_t id, zend_string *key, bool is_read, igor_stored *stored)
{
	return host_store_get(igor_self->host, id, ZSTR_VAL(key), ZSTR_LEN(key), is_read, stored) == IGOR_OK && stored->kind != IGOR_STORED_ABSENT;
}

/* An element of an array of keys as a string. NULL: it is none. */
zend_string *igor_apcu_key(zval *element)
{
	ZVAL_DEREF(element);
	if (Z_TYPE_P(element) == IS_STRING || Z_TYPE_P(element) == IS_LONG) {
		return zval_get_string(element);
	}
	php_error_docref(NULL, E_WARNING, "key must be a string or an integer, %s given", zend_zval_type_name(element));
	return NULL;
}

/* ---- Functions ----------------------------------------------------------------------------------------------- */

PHP_FUNCTION(apcu_enabled)
{
	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_BOOL(igor_self != NULL && !igor_forked);
}

PHP_FUNCTION(apcu_clear_cache)
{
	uint64_t id;

	ZEND_PARSE_PARAMETERS_NONE();
	RETURN_BOOL(igor_apcu_open(&id) && host_store_clear(igor_self->host, id) == IGOR_OK);
}

static void igor_apcu_write(INTERNAL_FUNCTION_PARAMETERS, bool absent)
{
	HashTable *values;
	zend_string *key;
	zval *value = NULL;
	zend_long ttl = 0;
	uint64_t id;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_ARRAY_HT_OR_STR(values, key)
		Z_PARAM_OPTIONAL
		Z_PARAM_ZVAL(value)
		Z_PARAM_LONG(ttl)
	ZEND_PARSE_PARAMETERS_END();

	if (values == NULL && value == NULL) {
		zend_argument_count_error("%s() expects at least 2 arguments when the key is a string", get_active_function_name());
		RETURN_THROWS();
	}
	if (!igor_apcu_open(&id)) {
		RETURN_FALSE;
	}
	if (values == NULL) {
		RETURN_BOOL(igor_apcu_set(id, ZSTR_VAL(key), ZSTR_LEN(key), value, ttl, absent));
	}
	array_init(return_value);
	{
		zend_ulong number;
		zend_string *name;

		ZEND_HASH_FOREACH_KEY_VAL(values, number, name, value) {
			zend_string *text = name != NULL ? zend_string_copy(name) : zend_long_to_str((zend_long) number);

			if (!igor_apcu_set(id, ZSTR_VAL(text), ZSTR_LEN(text), value, ttl, absent)) {
				zval failed;

				ZVAL_LONG(&failed, -1);
				zend_symtable_update(Z_ARRVAL_P(return_value), text, &failed);
			}
			zend_string_release(text);
			if (EG(exception) != NULL) {
				break;
			}
		} ZEND_HASH_FOREACH_END();
	}
}

PHP_FUNCTION(apcu_store)
{
	igor_apcu_write(INTERNAL_FUNCTION_PARAM_PASSTHRU, false);
}

PHP_FUNCTION(apcu_add)
{
	igor_apcu_write(INTERNAL_FUNCTION_PARAM_PASSTHRU, true);
}

PHP_FUNCTION(apcu_fetch)
{
	HashTable *keys;
	zend_string *key;
	zval *success = NULL, *element;
	igor_stored stored;
	uint64_t id;
	bool found = false;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_ARRAY_HT_OR_STR(keys, key)
		Z_PARAM_OPTIONAL
		Z_PARAM_ZVAL(success)
	ZEND_PARSE_PARAMETERS_END();

	ZVAL_FALSE(return_value);
	if (!igor_apcu_open(&id)) {
		return;
	}
	if (keys == NULL) {
		found = igor_apcu_get(id, key, true, &stored) && igor_apcu_value(&stored, return_value);
	} else {
		array_init(return_value);
		found = true;
		ZEND_HASH_FOREACH_VAL(keys, element) {
			zend_string *name = igor_apcu_key(element);
			zval value;

			if (name != NULL && igor_apcu_get(id, name, true, &stored)
				&& igor_apcu_value(&stored, &value)) {
				zend_symtable_update(Z_ARRVAL_P(return_value), name, &value);
			}
			if (name != NULL) {
				zend_string_release(name);
			}
			if (EG(exception) != NULL) {
				return;
			}
		} ZEND_HASH_FOREACH_END();
	}
	if (success != NULL) {
		ZEND_TRY_ASSIGN_REF_BOOL(success, found);
	}
}

PHP_FUNCTION(apcu_exists)
{
	HashTable *keys;
	zend_string *key;
	zval *element;
	igor_stored stored;
	uint64_t id;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT_OR_STR(keys, key)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_apcu_open(&id)) {
		RETURN_FALSE;
	}
	if (keys == NULL) {
		RETURN_BOOL(igor_apcu_get(id, key, false, &stored));
	}
	array_init(return_value);
	ZEND_HASH_FOREACH_VAL(keys, element) {
		zend_string *name = igor_apcu_key(element);
		zval there;

		if (name == NULL) {
			continue;
		}
		if (igor_apcu_get(id, name, false, &stored)) {
			ZVAL_TRUE(&there);
			zend_symtable_update(Z_ARRVAL_P(return_value), name, &there);
		}
		zend_string_release(name);
	} ZEND_HASH_FOREACH_END();
}

/* Whether there was something. */
bool igor_apcu_remove(uint64_t id, zend_string *key)
{
	igor_stored stored;

	return host_store_remove(igor_self->host, id, ZSTR_VAL(key), ZSTR_LEN(key), false, &stored) == IGOR_OK
		&& stored.kind != IGOR_STORED_ABSENT;
}

static void igor_apcu_count(INTERNAL_FUNCTION_PARAMETERS, bool negative)
{
	zend_string *key;
	zend_long step = 1, ttl = 0;
	zval *success = NULL;
	igor_number by = {0}, sum;
	uint64_t id;
	bool done;

	ZEND_PARSE_PARAMETERS_START(1, 4)
		Z_PARAM_STR(key)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(step)
		Z_PARAM_ZVAL(success)
		Z_PARAM_LONG(ttl)
	ZEND_PARSE_PARAMETERS_END();

	by.integer = negative ? (zend_long) (0 - (zend_ulong) step) : step;
	done = igor_apcu_open(&id) && host_store_increment(igor_self->host, id, ZSTR_VAL(key), ZSTR_LEN(key), &by,
		igor_apcu_ttl(ttl), &sum) == IGOR_OK;
	if (success != NULL) {
		ZEND_TRY_ASSIGN_REF_BOOL(success, done);
	}
	if (!done) {
		RETURN_FALSE;
	}
	RETURN_LONG(sum.is_float ? zend_dval_to_lval(sum.real) : sum.integer);
}

PHP_FUNCTION(apcu_inc)
{
	igor_apcu_count(INTERNAL_FUNCTION_PARAM_PASSTHRU, false);
}

PHP_FUNCTION(apcu_dec)
{
	igor_apcu_count(INTERNAL_FUNCTION_PARAM_PASSTHRU, true);
}

PHP_FUNCTION(apcu_cas)
{
	zend_string *key;
	zend_long old, new;
	zval expected, value;
	uint64_t id;
	bool done = false;

	ZEND_PARSE_PARAMETERS_START(3, 3)
		Z_PARAM_STR(key)
		Z_PARAM_LONG(old)
		Z_PARAM_LONG(new)
	ZEND_PARSE_PARAMETERS_END();

	ZVAL_LONG(&expected, old);
	ZVAL_LONG(&value, new);
	RETURN_BOOL(igor_apcu_open(&id) && host_store_cas(igor_self->host, id, ZSTR_VAL(key), ZSTR_LEN(key), &expected,
		&value, -1.0, &done) == IGOR_OK && done);
}

PHP_FUNCTION(apcu_entry)
{
	zend_string *key;
	zend_fcall_info callback;
	zend_fcall_info_cache cache;
	zend_long ttl = 0;
	igor_stored stored;
	uint64_t id;
	zval argument;
	igor_verdict verdict;

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_STR(key)
		Z_PARAM_FUNC(callback, cache)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(ttl)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_apcu_open(&id)) {
		return;
	}
	verdict = host_store_compute(igor_self->host, id, ZSTR_VAL(key), ZSTR_LEN(key), &stored);
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
	if (stored.kind != IGOR_STORED_ABSENT) {
		igor_apcu_value(&stored, return_value);
		return;
	}
	ZVAL_STR(&argument, key);
	callback.retval = return_value;
	callback.param_count = 1;
	callback.params = &argument;
	if (zend_call_function(&callback, &cache) == SUCCESS && EG(exception) == NULL && !Z_ISUNDEF_P(return_value)) {
		if (Z_ISREF_P(return_value)) {
			zend_unwrap_reference(return_value);
		}
		igor_apcu_set(id, ZSTR_VAL(key), ZSTR_LEN(key), return_value, ttl, false);
	}
	host_store_computed(igor_self->host, id, ZSTR_VAL(key), ZSTR_LEN(key), NULL, -1.0);
}

PHP_FUNCTION(apcu_key_info)
{
	zend_string *key;
	igor_stored stored;
	uint64_t id;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(key)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_apcu_open(&id) || !igor_apcu_get(id, key, false, &stored)) {
		RETURN_NULL();
	}
	array_init(return_value);
	/* A store does not know these of an element. */
	add_assoc_long(return_value, "hits", 0);
	add_assoc_long(return_value, "access_time", 0);
	add_assoc_long(return_value, "mtime", 0);
	add_assoc_long(return_value, "creation_time", 0);
	add_assoc_long(return_value, "deletion_time", 0);
	add_assoc_long(return_value, "ttl", 0);
	add_assoc_long(return_value, "refs", 0);
}
