/* APCUIterator, what removes and describes many elements, and the registration of all that apcu.c has. */
#include "internal.h"
#include "apcu.h"
#include "apcu_arginfo.h"

#include <Zend/zend_interfaces.h>
#include <ext/pcre/php_pcre.h>
#include <ext/spl/spl_array.h>
#include <php_ini.h>

#include <string.h>
#include <syslog.h>

#define IGOR_APC_ITER_TYPE (1 << 0)
#define IGOR_APC_ITER_KEY (1 << 1)
#define IGOR_APC_ITER_VALUE (1 << 2)
#define IGOR_APC_ITER_ALL 0xffffffffffL
#define IGOR_APC_LIST_ACTIVE 1

static zend_class_entry *igor_apcu_iterator_class;

/* ---- Lists --------------------------------------------------------------------------------------------------- */

/* Whether a key is one of those that an iterator is about. */
static bool igor_apcu_is_wanted(zend_string *key, zend_string *pattern, HashTable *keys)
{
	pcre_cache_entry *compiled;
	zval matched;

	if (keys != NULL) {
		zval *element;

		ZEND_HASH_FOREACH_VAL(keys, element) {
			ZVAL_DEREF(element);
			if (Z_TYPE_P(element) == IS_STRING && zend_string_equals(Z_STR_P(element), key)) {
				return true;
			}
		} ZEND_HASH_FOREACH_END();
		return false;
	}
	if (pattern == NULL) {
		return true;
	}
	compiled = pcre_get_compiled_regex_cache(pattern);
	if (compiled == NULL) {
		return false;
	}
	ZVAL_FALSE(&matched);
	IGOR_PCRE_MATCH(compiled, key, &matched);
	return Z_TYPE(matched) == IS_LONG && Z_LVAL(matched) > 0;
}

/* The value of an iterator for one element. False: an exception was thrown. */
static bool igor_apcu_listed(zend_string *key, const igor_stored *stored, zend_long format, zval *into)
{
	zval value;

	array_init(into);
	if (format & IGOR_APC_ITER_TYPE) {
		add_assoc_string(into, "type", "user");
	}
	if (format & IGOR_APC_ITER_KEY) {
		add_assoc_str(into, "key", zend_string_copy(key));
	}
	if (format & IGOR_APC_ITER_VALUE) {
		if (!igor_apcu_value(stored, &value)) {
			zval_ptr_dtor(into);
			return false;
		}
		add_assoc_zval(into, "value", &value);
	}
	return true;
}

/* The elements that are wanted, by their keys. False: an exception was thrown, or there is no store. */
static bool igor_apcu_list(zend_long format, zend_string *pattern, HashTable *keys, zval *into)
{
	bool with_values = (format & IGOR_APC_ITER_VALUE) != 0;
	igor_stored stored;
	uint64_t id, list;
	const char *name;
	size_t len, index;

	if (!igor_apcu_open(&id) || host_store_list(igor_self->host, id, with_values, &list) != IGOR_OK) {
		return false;
	}
	array_init(into);
	for (index = 0; EG(exception) == NULL && host_store_listed(igor_self->host, list, index, &name, &len, &stored); index++) {
		zend_string *key = zend_string_init(name, len, 0);
		zval entry;

		if (igor_apcu_is_wanted(key, pattern, keys)) {
			if (igor_apcu_listed(key, &stored, format, &entry)) {
				zend_hash_update(Z_ARRVAL_P(into), key, &entry);
			}
		} else if (with_values) {
			/* A listed element holds its value until it is read. */
			igor_store_skip(&stored);
		}
		zend_string_release(key);
	}
	host_store_list_end(igor_self->host, list);
	if (EG(exception) != NULL) {
		zval_ptr_dtor(into);
		return false;
	}
	return true;
}

ZEND_METHOD(APCUIterator, __construct)
{
	zend_string *pattern = NULL;
	HashTable *keys = NULL;
	zend_long format = IGOR_APC_ITER_ALL, chunk_size = 0, which = IGOR_APC_LIST_ACTIVE;
	zval elements;

	ZEND_PARSE_PARAMETERS_START(0, 4)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT_OR_STR_OR_NULL(keys, pattern)
		Z_PARAM_LONG(format)
		Z_PARAM_LONG(chunk_size)
		Z_PARAM_LONG(which)
	ZEND_PARSE_PARAMETERS_END();

	if (chunk_size < 0) {
		zend_argument_value_error(3, "must be greater than or equal to 0");
		RETURN_THROWS();
	}
	/* A store keeps nothing of a deleted element. */
	if (which != IGOR_APC_LIST_ACTIVE) {
		array_init(&elements);
	} else if (!igor_apcu_list(format, pattern, keys, &elements)) {
		RETURN_THROWS();
	}
	zend_call_known_instance_method_with_1_params(spl_ce_ArrayIterator->constructor, Z_OBJ_P(ZEND_THIS), NULL, &elements);
	zval_ptr_dtor(&elements);
}

ZEND_METHOD(APCUIterator, getTotalCount)
{
	ZEND_PARSE_PARAMETERS_NONE();
	zend_call_method_with_0_params(Z_OBJ_P(ZEND_THIS), spl_ce_ArrayIterator, NULL, "count", return_value);
}

/* Removes the elements that an APCUIterator has found. False: it threw. */
static bool igor_apcu_remove_found(uint64_t id, zval *iterator)
{
	zval found;
	zend_string *key;

	zend_call_method_with_0_params(Z_OBJ_P(iterator), spl_ce_ArrayIterator, NULL, "getarraycopy", &found);
	if (EG(exception) != NULL || Z_TYPE(found) != IS_ARRAY) {
		return false;
	}
	ZEND_HASH_FOREACH_STR_KEY(Z_ARRVAL(found), key) {
		if (key != NULL) {
			igor_apcu_remove(id, key);
		}
	} ZEND_HASH_FOREACH_END();
	zval_ptr_dtor(&found);
	return true;
}

/* Removes the elements of these names, and adds the names of those that were not removed to `left`. */
static void igor_apcu_remove_named(uint64_t id, HashTable *names, HashTable *left)
{
	zval *element;

	ZEND_HASH_FOREACH_VAL(names, element) {
		zend_string *name;

		ZVAL_DEREF(element);
		if (Z_TYPE_P(element) == IS_STRING) {
			name = zend_string_copy(Z_STR_P(element));
		} else {
			/* The words of the extension. */
			php_error_docref(NULL, E_WARNING, "apc_delete() expects a string, array of strings, or APCIterator instance");
			name = NULL;
		}
		if (name == NULL || !igor_apcu_remove(id, name)) {
			Z_TRY_ADDREF_P(element);
			zend_hash_next_index_insert(left, element);
		}
		if (name != NULL) {
			zend_string_release(name);
		}
	} ZEND_HASH_FOREACH_END();
}

PHP_FUNCTION(apcu_delete)
{
	zval *argument;
	zend_string *name;
	uint64_t id;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ZVAL(argument)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_apcu_open(&id)) {
		RETURN_FALSE;
	}
	if (Z_TYPE_P(argument) == IS_OBJECT && instanceof_function(Z_OBJCE_P(argument), igor_apcu_iterator_class)) {
		if (!igor_apcu_remove_found(id, argument)) {
			RETURN_THROWS();
		}
		RETURN_TRUE;
	}
	if (Z_TYPE_P(argument) == IS_ARRAY) {
		array_init(return_value);
		igor_apcu_remove_named(id, Z_ARRVAL_P(argument), Z_ARRVAL_P(return_value));
		return;
	}
	if (Z_TYPE_P(argument) != IS_STRING && Z_TYPE_P(argument) != IS_LONG) {
		zend_argument_type_error(1, "must be of type APCUIterator|array|string, %s given", zend_zval_type_name(argument));
		RETURN_THROWS();
	}
	name = zval_get_string(argument);
	RETVAL_BOOL(igor_apcu_remove(id, name));
	zend_string_release(name);
}

/* The counts of the store, for apcu_cache_info() and apcu_sma_info(). False: there is none. */
static bool igor_apcu_counts(igor_store_counts *counts)
{
	uint64_t id;

	return igor_apcu_open(&id) && host_store_numbers(igor_self->host, id, true, counts) == IGOR_OK;
}

PHP_FUNCTION(apcu_cache_info)
{
	igor_store_counts counts;
	bool limited = false;
	zval list;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_BOOL(limited)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_apcu_counts(&counts)) {
		RETURN_FALSE;
	}
	array_init(return_value);
	add_assoc_long(return_value, "num_slots", (zend_long) counts.keys_max);
	add_assoc_long(return_value, "ttl", 0);
	add_assoc_double(return_value, "num_hits", (double) counts.hits);
	add_assoc_double(return_value, "num_misses", (double) counts.misses);
	add_assoc_double(return_value, "num_inserts", (double) counts.version);
	add_assoc_long(return_value, "num_entries", (zend_long) counts.keys);
	add_assoc_long(return_value, "expunges", (zend_long) counts.evicted);
	add_assoc_long(return_value, "cleanups", (zend_long) counts.expired);
	add_assoc_long(return_value, "start_time", 0);
	add_assoc_double(return_value, "mem_size", (double) counts.bytes);
	add_assoc_string(return_value, "memory_type", "store");
	if (limited) {
		return;
	}
	if (!igor_apcu_list(IGOR_APC_ITER_KEY, NULL, NULL, &list)) {
		RETURN_THROWS();
	}
	{
		zend_string *name;
		zval entries;

		array_init(&entries);
		ZEND_HASH_FOREACH_STR_KEY(Z_ARRVAL(list), name) {
			zval entry;

			array_init(&entry);
			add_assoc_str(&entry, "info", name != NULL ? zend_string_copy(name) : ZSTR_EMPTY_ALLOC());
			zend_hash_next_index_insert(Z_ARRVAL(entries), &entry);
		} ZEND_HASH_FOREACH_END();
		add_assoc_zval(return_value, "cache_list", &entries);
		array_init(&entries);
		add_assoc_zval(return_value, "deleted_list", &entries);
	}
	zval_ptr_dtor(&list);
}

PHP_FUNCTION(apcu_sma_info)
{
	igor_store_counts counts;
	bool limited = false;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_BOOL(limited)
	ZEND_PARSE_PARAMETERS_END();

	(void) limited;
	if (!igor_apcu_counts(&counts)) {
		RETURN_FALSE;
	}
	array_init(return_value);
	add_assoc_long(return_value, "num_seg", 1);
	add_assoc_double(return_value, "seg_size", (double) counts.bytes_max);
	add_assoc_double(return_value, "avail_mem", (double) (counts.bytes_max - MIN(counts.bytes, counts.bytes_max)));
}

/* ---- Registration ----------------------------------------------------------------------------------------- */

static const zend_function_entry igor_apcu_functions[] = {
	PHP_FE(apcu_clear_cache, arginfo_apcu_bool)
	PHP_FE(apcu_enabled, arginfo_apcu_bool)
	PHP_FE(apcu_cache_info, arginfo_apcu_info)
	PHP_FE(apcu_sma_info, arginfo_apcu_info)
	PHP_FE(apcu_key_info, arginfo_apcu_key_info)
	PHP_FE(apcu_store, arginfo_apcu_store)
	PHP_FE(apcu_add, arginfo_apcu_store)
	PHP_FE(apcu_inc, arginfo_apcu_inc)
	PHP_FE(apcu_dec, arginfo_apcu_inc)
	PHP_FE(apcu_cas, arginfo_apcu_cas)
	PHP_FE(apcu_fetch, arginfo_apcu_fetch)
	PHP_FE(apcu_exists, arginfo_apcu_key)
	PHP_FE(apcu_delete, arginfo_apcu_key)
	PHP_FE(apcu_entry, arginfo_apcu_entry)
	PHP_FE_END
};

static const zend_function_entry igor_apcu_iterator_methods[] = {
	ZEND_ME(APCUIterator, __construct, arginfo_APCUIterator___construct, ZEND_ACC_PUBLIC)
	ZEND_ME(APCUIterator, getTotalCount, arginfo_APCUIterator_getTotalCount, ZEND_ACC_PUBLIC)
	PHP_FE_END
};

/* Code asks for these before it uses the functions. */
PHP_INI_BEGIN()
	PHP_INI_ENTRY("apc.enabled", "1", PHP_INI_SYSTEM, NULL)
	PHP_INI_ENTRY("apc.enable_cli", "1", PHP_INI_SYSTEM, NULL)
	PHP_INI_ENTRY("apc.use_request_time", "0", PHP_INI_ALL, NULL)
PHP_INI_END()

/* While PHP starts, behind all extensions of php.ini: the extension itself goes first. */
void igor_apcu_register(int type, int module_number)
{
	const char *name = INI_STR("igor.apcu");
	zend_class_entry class;

	if (name == NULL || *name == '\0') {
		return;
	}
	if (zend_hash_str_exists(&module_registry, ZEND_STRL("apcu"))) {
		static const char message[] = "the extension apcu is loaded, so its functions are used and `apcu` has no effect";

		igor_log(LOG_WARNING, message, sizeof(message) - 1);
		return;
	}
	REGISTER_INI_ENTRIES();
	if (zend_register_functions(NULL, igor_apcu_functions, NULL, type) == FAILURE) {
		return;
	}
	INIT_CLASS_ENTRY(class, "APCUIterator", igor_apcu_iterator_methods);
	igor_apcu_iterator_class = zend_register_internal_class_ex(&class, spl_ce_ArrayIterator);
	REGISTER_LONG_CONSTANT("APC_LIST_ACTIVE", IGOR_APC_LIST_ACTIVE, CONST_PERSISTENT);
	REGISTER_LONG_CONSTANT("APC_LIST_DELETED", 2, CONST_PERSISTENT);
	REGISTER_LONG_CONSTANT("APC_ITER_NONE", 0, CONST_PERSISTENT);
	REGISTER_LONG_CONSTANT("APC_ITER_TYPE", IGOR_APC_ITER_TYPE, CONST_PERSISTENT);
	REGISTER_LONG_CONSTANT("APC_ITER_KEY", IGOR_APC_ITER_KEY, CONST_PERSISTENT);
	REGISTER_LONG_CONSTANT("APC_ITER_VALUE", IGOR_APC_ITER_VALUE, CONST_PERSISTENT);
	REGISTER_LONG_CONSTANT("APC_ITER_ALL", IGOR_APC_ITER_ALL, CONST_PERSISTENT);
}
