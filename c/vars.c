/* frankenphp_set_vars() and frankenphp_get_vars().
 *
 * A read that finds its name in the thread's cache with an unchanged version costs a comparison of addresses and one
 * atomic load. A miss asks Rust, which pins the snapshot before it returns its address (law 3). */
#include "internal.h"

#include <ext/spl/spl_exceptions.h>

#include <string.h>

/* ---- The reading cache --------------------------------------------------------------------------------------- */

static zend_always_inline igor_cache_entry *igor_cache_at(igor_thread *self, zend_ulong hash)
{
	return &self->cache[hash & (IGOR_CACHE_SIZE - 1)];
}

static zend_always_inline bool igor_cache_is_current(const igor_cache_entry *entry)
{
	return EXPECTED(__atomic_load_n(&entry->slot->version, __ATOMIC_ACQUIRE) == entry->version);
}

static void igor_cache_remove(igor_thread *self, igor_cache_entry *entry)
{
	zend_string *name = entry->name;
	zval value = entry->value;

	entry->name = NULL;
	self->cached--;
	/* An interned name may have been freed, and has no references to release. */
	if (entry->counted) {
		zend_string_release(name);
	}
	zval_ptr_dtor(&value);
}

void igor_cache_clear(igor_thread *self)
{
	size_t i;

	if (self->cached == 0) {
		return;
	}
	for (i = 0; i < IGOR_CACHE_SIZE; i++) {
		if (self->cache[i].name != NULL) {
			igor_cache_remove(self, &self->cache[i]);
		}
	}
}

/* The request heap was freed with the entries' values, so nothing is released. A bailout in the shutdown of another
 * module skips our own shutdown, which would have cleared the cache. */
void igor_cache_forget(igor_thread *self)
{
	size_t i;

	for (i = 0; i < IGOR_CACHE_SIZE && self->cached > 0; i++) {
		self->cache[i].name = NULL;
	}
	self->cached = 0;
}

static void igor_cache_store(igor_thread *self, zend_string *name, const igor_reading *reading, zval *value)
{
	zend_ulong hash = zend_string_hash_val(name);
	igor_cache_entry *entry = igor_cache_at(self, hash);

	if (self->shut_down) {
		return;
	}
	if (entry->name != NULL) {
		igor_cache_remove(self, entry);
	}
	entry->counted = !ZSTR_IS_INTERNED(name);
	entry->copied = reading->copy;
	entry->name = zend_string_copy(name);
	entry->hash = hash;
	entry->slot = reading->slot;
	entry->version = reading->version;
	ZVAL_COPY(&entry->value, value);
	self->cached++;
}

/* The entry of a name, even if the name is at another address than before; NULL when there is none. */
static igor_cache_entry *igor_cache_find(igor_thread *self, zend_string *name)
{
	zend_ulong hash = zend_string_hash_val(name);
	igor_cache_entry *entry = igor_cache_at(self, hash);

	if (entry->name == NULL || entry->hash != hash || entry->slot->name_len != ZSTR_LEN(name)
		|| memcmp(entry->slot->name, ZSTR_VAL(name), ZSTR_LEN(name)) != 0) {
		return NULL;
	}
	return entry;
}

/* Copies the snapshot, reusing an older version's copy if the cache has one. False: an exception was thrown. */
static bool igor_read_copy(igor_thread *self, const igor_cache_entry *entry, const igor_reading *reading, zval *into)
{
	zend_array *old = entry != NULL && entry->copied ? Z_ARR(entry->value) : NULL;
	bool copied;

	/* Resolving an enum case may run code that reads the same name, and so replaces the entry. */
	if (old != NULL) {
		GC_ADDREF(old);
	}
	copied = igor_copy_root(into, reading, old);
	if (old != NULL) {
		zend_array_release(old);
	}
	host_read_done(self->host, reading->root);
	return copied;
}

/* Reads one name. False: an exception was thrown. */
static bool igor_read(igor_thread *self, zend_string *name, zval *into)
{
	const igor_cache_entry *entry = igor_cache_find(self, name);
	igor_reading reading;
	igor_verdict verdict;

	if (entry != NULL && igor_cache_is_current(entry)) {
		ZVAL_COPY(into, &entry->value);
		return true;
	}
	IGOR_FAULT("get_vars");
	verdict = entry != NULL ? host_read_slot(self->host, entry->slot, &reading)
		: host_read(self->host, ZSTR_VAL(name), ZSTR_LEN(name), &reading);
	if (verdict != IGOR_OK) {
		igor_throw(self, verdict);
		return false;
	}
	IGOR_FAULT("get_vars pinned");
	if (reading.copy || reading.enums) {
		if (!igor_read_copy(self, entry, &reading, into)) {
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
		zend_string *name;
		zval vars;

		ZVAL_DEREF(element);
		if (Z_TYPE_P(element) != IS_STRING) {
			zend_argument_type_error(1, "must be a string or an array of strings, array with a value of type %s given",
				zend_zval_type_name(element));
			break;
		}
		/* Resolving an enum case may run code that changes the element, if it is a reference. */
		name = zend_string_copy(Z_STR_P(element));
		if (igor_read(self, name, &vars)) {
			zend_symtable_update(Z_ARRVAL_P(return_value), name, &vars);
		}
		zend_string_release(name);
		if (EG(exception)) {
			break;
		}
	} ZEND_HASH_FOREACH_END();
	if (EG(exception)) {
		zval_ptr_dtor(return_value);
		ZVAL_UNDEF(return_value);
	}
}

/* Everything except the repeated read of one name. */
static zend_never_inline void igor_get_vars(INTERNAL_FUNCTION_PARAMETERS)
{
	zend_string *name;
	HashTable *names;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT_OR_STR(names, name)
	ZEND_PARSE_PARAMETERS_END();

	if (igor_self == NULL) {
		igor_throw_outside("frankenphp_get_vars");
		RETURN_THROWS();
	}
	if (name != NULL) {
		zval vars;

		if (igor_read(igor_self, name, &vars)) {
			ZVAL_COPY_VALUE(return_value, &vars);
		}
		return;
	}
	igor_read_many(igor_self, names, return_value);
}

/* The repeated read calls nothing and needs no stack: 25 instructions. Every other call takes the slow path, which checks
 * the arguments as usual. */
PHP_FUNCTION(frankenphp_get_vars)
{
	igor_thread *self = igor_self;

	if (EXPECTED(ZEND_NUM_ARGS() == 1) && EXPECTED(self != NULL)) {
		const zval *argument = ZEND_CALL_ARG(execute_data, 1);

		if (EXPECTED(Z_TYPE_P(argument) == IS_STRING)) {
			const zend_string *name = Z_STR_P(argument);
			const igor_cache_entry *entry = igor_cache_at(self, ZSTR_H(name));

			if (EXPECTED(entry->name == name) && EXPECTED(entry->hash == ZSTR_H(name)) && igor_cache_is_current(entry)) {
				ZVAL_COPY(return_value, &entry->value);
				return;
			}
		}
	}
	igor_get_vars(INTERNAL_FUNCTION_PARAM_PASSTHRU);
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
