/* frankenphp_set_vars() and frankenphp_get_vars().
 *
 * A read that finds its name in the thread's cache with an unchanged version costs a comparison of the name and one
 * atomic load. A miss asks Rust, which pins the snapshot before it tells where it is (law 3). */
#include "internal.h"

#include <ext/spl/spl_exceptions.h>

#include <string.h>

/* ---- The reading cache --------------------------------------------------------------------------------------- */

static igor_cache_entry *igor_cache_at(igor_thread *self, zend_ulong hash)
{
	return &self->cache[hash & (IGOR_CACHE_SIZE - 1)];
}

void igor_cache_clear(igor_thread *self)
{
	size_t i;

	if (self->cached == 0) {
		return;
	}
	for (i = 0; i < IGOR_CACHE_SIZE; i++) {
		if (self->cache[i].slot != NULL) {
			self->cache[i].slot = NULL;
			zval_ptr_dtor(&self->cache[i].value);
		}
	}
	self->cached = 0;
}

static void igor_cache_store(igor_thread *self, zend_string *name, const igor_reading *reading, zval *value)
{
	igor_cache_entry *entry = igor_cache_at(self, zend_string_hash_val(name));

	if (self->shut_down) {
		return;
	}
	if (entry->slot != NULL) {
		zval old = entry->value;

		entry->slot = NULL;
		self->cached--;
		zval_ptr_dtor(&old);
	}
	ZVAL_COPY(&entry->value, value);
	entry->interned_name = ZSTR_IS_INTERNED(name) ? name : NULL;
	entry->version = reading->version;
	entry->slot = reading->slot;
	self->cached++;
}

static bool igor_cache_find(igor_thread *self, zend_string *name, zval *into)
{
	zend_ulong hash = zend_string_hash_val(name);
	igor_cache_entry *entry = igor_cache_at(self, hash);

	if (UNEXPECTED(entry->slot == NULL || entry->slot->name_hash != hash || entry->slot->name_len != ZSTR_LEN(name))) {
		return false;
	}
	if (UNEXPECTED(entry->interned_name != name) && memcmp(entry->slot->name, ZSTR_VAL(name), ZSTR_LEN(name)) != 0) {
		return false;
	}
	if (UNEXPECTED(__atomic_load_n(&entry->slot->version, __ATOMIC_ACQUIRE) != entry->version)) {
		return false;
	}
	ZVAL_COPY(into, &entry->value);
	return true;
}

/* Reads one name. False: an exception was thrown. */
static bool igor_read(igor_thread *self, zend_string *name, zval *into)
{
	igor_reading reading;
	igor_verdict verdict;

	if (igor_cache_find(self, name, into)) {
		return true;
	}
	IGOR_FAULT("get_vars");
	verdict = host_read(self->host, ZSTR_VAL(name), ZSTR_LEN(name), &reading);
	if (verdict != IGOR_OK) {
		igor_throw(self, verdict);
		return false;
	}
	IGOR_FAULT("get_vars pinned");
	if (reading.copy || reading.enums) {
		bool copied = igor_copy_root(into, &reading);

		host_read_done(self->host, reading.root);
		if (!copied) {
			return false;
		}
	} else {
		/* Never ZVAL_ARR(): it would mark the value as counted. */
		Z_ARR_P(into) = (zend_array *) reading.root;
		Z_TYPE_INFO_P(into) = IS_ARRAY;
	}
	IGOR_FAULT("get_vars read");
	igor_cache_store(self, name, &reading, into);
	return true;
}

static void igor_read_many(igor_thread *self, HashTable *names, zval *return_value)
{
	zval *element;

	array_init_size(return_value, zend_hash_num_elements(names));
	ZEND_HASH_FOREACH_VAL(names, element) {
		zval vars;

		ZVAL_DEREF(element);
		if (Z_TYPE_P(element) != IS_STRING) {
			zend_argument_type_error(1, "must be a string or an array of strings, array with a value of type %s given",
				zend_zval_type_name(element));
			break;
		}
		if (!igor_read(self, Z_STR_P(element), &vars)) {
			break;
		}
		zend_symtable_update(Z_ARRVAL_P(return_value), Z_STR_P(element), &vars);
	} ZEND_HASH_FOREACH_END();
	if (EG(exception)) {
		zval_ptr_dtor(return_value);
		ZVAL_UNDEF(return_value);
	}
}

PHP_FUNCTION(frankenphp_get_vars)
{
	zend_string *name;
	HashTable *names;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT_OR_STR(names, name)
	ZEND_PARSE_PARAMETERS_END();

	if (UNEXPECTED(igor_self == NULL)) {
		igor_throw_outside("frankenphp_get_vars");
		RETURN_THROWS();
	}
	if (EXPECTED(name != NULL)) {
		zval vars;

		if (igor_read(igor_self, name, &vars)) {
			ZVAL_COPY_VALUE(return_value, &vars);
		}
		return;
	}
	igor_read_many(igor_self, names, return_value);
}

PHP_FUNCTION(frankenphp_set_vars)
{
	HashTable *vars;
	igor_verdict verdict;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT(vars)
	ZEND_PARSE_PARAMETERS_END();

	if (igor_self == NULL || igor_self->mode != IGOR_BACKGROUND) {
		zend_throw_exception(spl_ce_RuntimeException,
			"frankenphp_set_vars() can only be called in a background worker", 0);
		RETURN_THROWS();
	}
	IGOR_FAULT("set_vars");
	verdict = host_publish(igor_self->host, vars);
	IGOR_FAULT("set_vars published");
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
}
