/* Functions for the benchmarks only (cargo feature `bench`); no other build has them. */
#include "internal.h"

/* A call that does nothing; reads are compared with it. */
PHP_FUNCTION(igor_bench_nothing)
{
	zend_string *name;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();
	(void) name;
}

/* Recursion is bounded by the arrays that the benchmarks make. */
static zend_array *igor_array_dup(zend_array *source)
{
	zend_array *into = zend_array_dup(source);
	zval *value;

	ZEND_HASH_FOREACH_VAL(into, value) {
		if (Z_TYPE_P(value) == IS_ARRAY) {
			zend_array *inner = igor_array_dup(Z_ARR_P(value));

			zval_ptr_dtor(value);
			ZVAL_ARR(value, inner);
		}
	} ZEND_HASH_FOREACH_END();
	return into;
}

/* A copy of an array and of every array in it, by the engine's array_dup(): the yardstick of a read that copies. */
PHP_FUNCTION(igor_bench_array_dup)
{
	HashTable *array;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT(array)
	ZEND_PARSE_PARAMETERS_END();
	RETVAL_ARR(igor_array_dup(array));
}

/* Calls the callback. Callgrind counts inside this function only (--toggle-collect). */
PHP_FUNCTION(igor_bench_counted)
{
	zend_fcall_info call;
	zend_fcall_info_cache cache;
	zval result;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_FUNC(call, cache)
	ZEND_PARSE_PARAMETERS_END();
	ZVAL_UNDEF(&result);
	call.retval = &result;
	zend_call_function(&call, &cache);
	zval_ptr_dtor(&result);
}

/* Bytes of the newest snapshot of a worker; 0 when there is none. */
PHP_FUNCTION(igor_bench_snapshot_bytes)
{
	zend_string *name;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR(name)
	ZEND_PARSE_PARAMETERS_END();
	if (igor_self == NULL) {
		RETURN_LONG(0);
	}
	RETURN_LONG((zend_long) host_bench_snapshot_bytes(igor_self->host, ZSTR_VAL(name), ZSTR_LEN(name)));
}
