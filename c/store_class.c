/* The class FrankenPHP\SharedArray: a map that all scripts of the process share. store.c holds what its methods share. */
#include "internal.h"
#include "classes_arginfo.h"

#include <Zend/zend_interfaces.h>
#include <ext/spl/spl_array.h>
#include <ext/spl/spl_exceptions.h>

#include <math.h>

static zend_class_entry *igor_shared_array_class;
static zend_object_handlers igor_shared_array_handlers;

static zend_object *igor_shared_array_create(zend_class_entry *class)
{
	return igor_handle_create(class, &igor_shared_array_handlers);
}

ZEND_METHOD(FrankenPHP_SharedArray, __construct)
{
	igor_object *handle = igor_handle_of(Z_OBJ_P(ZEND_THIS));
	char *name = "default";
	size_t len = sizeof("default") - 1;
	uint64_t id = 0;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_STRING(name, len)
	ZEND_PARSE_PARAMETERS_END();

	if (igor_self == NULL) {
		igor_throw_outside("FrankenPHP\\SharedArray::__construct");
		RETURN_THROWS();
	}
	if (handle->id != 0) {
		zend_throw_error(NULL, "FrankenPHP\\SharedArray is constructed already");
		RETURN_THROWS();
	}
	IGOR_FAULT("store open");
	if (!igor_done(host_store_open(igor_self->host, name, len, &id))) {
		RETURN_THROWS();
	}
	handle->id = id;
}

/* get() and pull(). */
static void igor_store_read(INTERNAL_FUNCTION_PARAMETERS,
	bool (*read)(igor_object *, const igor_key *, bool, igor_stored *))
{
	zend_string *name;
	zend_long number = 0;
	zval *fallback = NULL;
	igor_object *handle;
	igor_stored stored;
	igor_key key;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR_OR_LONG(name, number)
		Z_PARAM_OPTIONAL
		Z_PARAM_ZVAL(fallback)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	igor_key_of(&key, name, number);
	if (handle == NULL || !read(handle, &key, true, &stored)) {
		RETURN_THROWS();
	}
	if (stored.kind == IGOR_STORED_ABSENT) {
		if (fallback != NULL) {
			RETURN_COPY(fallback);
		}
		RETURN_NULL();
	}
	if (!igor_store_value(&stored, return_value)) {
		RETURN_THROWS();
	}
	if (name != NULL) {
		igor_element_keep(handle, name, &stored, return_value);
	}
}

ZEND_METHOD(FrankenPHP_SharedArray, get)
{
	uint32_t count = ZEND_NUM_ARGS();

	if ((count == 1 || count == 2)
		&& igor_element_read(Z_OBJ_P(ZEND_THIS), ZEND_CALL_ARG(execute_data, 1), return_value)) {
		return;
	}
	igor_store_read(INTERNAL_FUNCTION_PARAM_PASSTHRU, igor_store_get);
}

ZEND_METHOD(FrankenPHP_SharedArray, pull)
{
	igor_store_read(INTERNAL_FUNCTION_PARAM_PASSTHRU, igor_store_remove);
}

/* set() and add(). False: an exception was thrown. */
static bool igor_store_write(INTERNAL_FUNCTION_PARAMETERS, bool absent, bool *done)
{
	zend_string *name;
	zend_long number = 0;
	zval *value;
	double ttl = 0.0;
	bool forever = true;
	igor_object *handle;
	igor_key key;

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_STR_OR_LONG(name, number)
		Z_PARAM_ZVAL(value)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE_OR_NULL(ttl, forever)
	ZEND_PARSE_PARAMETERS_END_EX(return false);

	(void) return_value;
	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	igor_key_of(&key, name, number);
	return handle != NULL && igor_ttl(&ttl, forever, 3) && igor_store_set(handle, &key, value, ttl, absent, done);
}

ZEND_METHOD(FrankenPHP_SharedArray, set)
{
	bool done;

	igor_store_write(INTERNAL_FUNCTION_PARAM_PASSTHRU, false, &done);
}

ZEND_METHOD(FrankenPHP_SharedArray, add)
{
	bool done;

	if (!igor_store_write(INTERNAL_FUNCTION_PARAM_PASSTHRU, true, &done)) {
		RETURN_THROWS();
	}
	RETURN_BOOL(done);
}

ZEND_METHOD(FrankenPHP_SharedArray, cas)
{
	zend_string *name;
	zend_long number = 0;
	zval *expected, *value;
	double ttl = 0.0;
	bool kept = true, done;
	igor_object *handle;
	igor_key key;

	ZEND_PARSE_PARAMETERS_START(3, 4)
		Z_PARAM_STR_OR_LONG(name, number)
		Z_PARAM_ZVAL(expected)
		Z_PARAM_ZVAL(value)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE_OR_NULL(ttl, kept)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	igor_key_of(&key, name, number);
	if (handle == NULL || !igor_ttl(&ttl, kept, 4)) {
		RETURN_THROWS();
	}
	IGOR_FAULT("store cas");
	if (!igor_done(host_store_cas(igor_self->host, handle->id, key.bytes, key.len, expected, value, ttl, &done))) {
		RETURN_THROWS();
	}
	RETURN_BOOL(done);
}

ZEND_METHOD(FrankenPHP_SharedArray, delete)
{
	zend_string *name;
	zend_long number = 0;
	igor_object *handle;
	igor_stored stored;
	igor_key key;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STR_OR_LONG(name, number)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	igor_key_of(&key, name, number);
	if (handle == NULL || !igor_store_remove(handle, &key, false, &stored)) {
		RETURN_THROWS();
	}
	RETURN_BOOL(stored.kind != IGOR_STORED_ABSENT);
}

static void igor_store_add(INTERNAL_FUNCTION_PARAMETERS, bool negative)
{
	zend_string *name;
	zend_long number = 0;
	zval *by = NULL;
	double ttl = 0.0;
	bool forever = true;
	igor_number step = {.integer = 1}, sum;
	igor_object *handle;
	igor_key key;

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR_OR_LONG(name, number)
		Z_PARAM_OPTIONAL
		Z_PARAM_NUMBER(by)
		Z_PARAM_DOUBLE_OR_NULL(ttl, forever)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	if (handle == NULL || !igor_ttl(&ttl, forever, 3)) {
		RETURN_THROWS();
	}
	if (by != NULL && Z_TYPE_P(by) == IS_DOUBLE) {
		step.is_float = true;
		step.real = negative ? -Z_DVAL_P(by) : Z_DVAL_P(by);
		if (!isfinite(step.real)) {
			zend_argument_value_error(2, "must be finite");
			RETURN_THROWS();
		}
	} else {
		step.integer = by != NULL ? Z_LVAL_P(by) : 1;
		if (negative && step.integer == ZEND_LONG_MIN) {
			zend_argument_value_error(2, "must be greater than PHP_INT_MIN");
			RETURN_THROWS();
		}
		step.integer = negative ? -step.integer : step.integer;
	}
	igor_key_of(&key, name, number);
	IGOR_FAULT("store increment");
	if (!igor_done(host_store_increment(igor_self->host, handle->id, key.bytes, key.len, &step, ttl, &sum))) {
		RETURN_THROWS();
	}
	if (sum.is_float) {
		RETURN_DOUBLE(sum.real);
	}
	RETURN_LONG(sum.integer);
}

ZEND_METHOD(FrankenPHP_SharedArray, increment)
{
	igor_store_add(INTERNAL_FUNCTION_PARAM_PASSTHRU, false);
}

ZEND_METHOD(FrankenPHP_SharedArray, decrement)
{
	igor_store_add(INTERNAL_FUNCTION_PARAM_PASSTHRU, true);
}

/* Calls back and stores the result. If a jump skips the end, Rust ends the computation with the PHP request. */
static void igor_store_computing(igor_object *handle, const igor_key *key, double ttl, zend_fcall_info *callback,
	zend_fcall_info_cache *cache, zval *return_value)
{
	uint64_t id = handle->id;
	igor_verdict verdict;

	callback->retval = return_value;
	IGOR_FAULT("store compute");
	if (zend_call_function(callback, cache) != SUCCESS || EG(exception) != NULL || Z_ISUNDEF_P(return_value)) {
		host_store_computed(igor_self->host, id, key->bytes, key->len, NULL, ttl);
		return;
	}
	if (Z_ISREF_P(return_value)) {
		zend_unwrap_reference(return_value);
	}
	IGOR_FAULT("store computed");
	verdict = host_store_computed(igor_self->host, id, key->bytes, key->len, return_value, ttl);
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
	}
}

ZEND_METHOD(FrankenPHP_SharedArray, compute)
{
	zend_string *name;
	zend_long number = 0;
	zend_fcall_info callback;
	zend_fcall_info_cache cache;
	double ttl = 0.0;
	bool forever = true;
	igor_object *handle;
	igor_stored stored;
	igor_key key;

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_STR_OR_LONG(name, number)
		Z_PARAM_FUNC(callback, cache)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE_OR_NULL(ttl, forever)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	igor_key_of(&key, name, number);
	if (handle == NULL || !igor_ttl(&ttl, forever, 3)) {
		RETURN_THROWS();
	}
	if (!igor_done(host_store_compute(igor_self->host, handle->id, key.bytes, key.len, &stored))) {
		RETURN_THROWS();
	}
	if (stored.kind != IGOR_STORED_ABSENT) {
		if (!igor_store_value(&stored, return_value)) {
			RETURN_THROWS();
		}
		return;
	}
	igor_store_computing(handle, &key, ttl, &callback, &cache, return_value);
}

static void igor_store_merge(INTERNAL_FUNCTION_PARAMETERS, bool replaces)
{
	HashTable *values;
	igor_object *handle;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT(values)
	ZEND_PARSE_PARAMETERS_END();

	(void) return_value;
	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	IGOR_FAULT("store merge");
	if (handle != NULL) {
		igor_done(host_store_merge(igor_self->host, handle->id, values, replaces));
	}
}

ZEND_METHOD(FrankenPHP_SharedArray, merge)
{
	igor_store_merge(INTERNAL_FUNCTION_PARAM_PASSTHRU, false);
}

ZEND_METHOD(FrankenPHP_SharedArray, replace)
{
	igor_store_merge(INTERNAL_FUNCTION_PARAM_PASSTHRU, true);
}

ZEND_METHOD(FrankenPHP_SharedArray, clear)
{
	igor_object *handle;

	ZEND_PARSE_PARAMETERS_NONE();
	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	if (handle != NULL) {
		igor_done(host_store_clear(igor_self->host, handle->id));
	}
}

ZEND_METHOD(FrankenPHP_SharedArray, keys)
{
	ZEND_PARSE_PARAMETERS_NONE();
	igor_store_list(Z_OBJ_P(ZEND_THIS), false, return_value);
}

ZEND_METHOD(FrankenPHP_SharedArray, snapshot)
{
	ZEND_PARSE_PARAMETERS_NONE();
	igor_store_list(Z_OBJ_P(ZEND_THIS), true, return_value);
}

ZEND_METHOD(FrankenPHP_SharedArray, getIterator)
{
	zval elements;

	ZEND_PARSE_PARAMETERS_NONE();
	if (!igor_store_list(Z_OBJ_P(ZEND_THIS), true, &elements)) {
		RETURN_THROWS();
	}
	object_init_ex(return_value, spl_ce_ArrayIterator);
	zend_call_known_instance_method_with_1_params(spl_ce_ArrayIterator->constructor, Z_OBJ_P(return_value), NULL,
		&elements);
	zval_ptr_dtor(&elements);
}

ZEND_METHOD(FrankenPHP_SharedArray, version)
{
	igor_store_counts counts;

	ZEND_PARSE_PARAMETERS_NONE();
	if (!igor_store_numbers(Z_OBJ_P(ZEND_THIS), false, &counts)) {
		RETURN_THROWS();
	}
	RETURN_LONG((zend_long) counts.version);
}

ZEND_METHOD(FrankenPHP_SharedArray, count)
{
	zend_long count;

	ZEND_PARSE_PARAMETERS_NONE();
	if (igor_shared_array_count(Z_OBJ_P(ZEND_THIS), &count) == FAILURE) {
		RETURN_THROWS();
	}
	RETURN_LONG(count);
}

static igor_verdict igor_store_watch(const igor_object *handle, int *fd)
{
	return host_store_watch(igor_self->host, handle->id, fd);
}

ZEND_METHOD(FrankenPHP_SharedArray, watch)
{
	igor_object *handle;

	ZEND_PARSE_PARAMETERS_NONE();
	handle = igor_store_of(Z_OBJ_P(ZEND_THIS));
	if (handle == NULL) {
		RETURN_THROWS();
	}
	igor_handle_stream(handle, igor_store_watch, return_value);
}

ZEND_METHOD(FrankenPHP_SharedArray, offsetExists)
{
	zval *offset;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ZVAL(offset)
	ZEND_PARSE_PARAMETERS_END();
	RETURN_BOOL(igor_shared_array_has(Z_OBJ_P(ZEND_THIS), offset, 0));
}

ZEND_METHOD(FrankenPHP_SharedArray, offsetGet)
{
	zval *offset;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ZVAL(offset)
	ZEND_PARSE_PARAMETERS_END();
	igor_shared_array_read(Z_OBJ_P(ZEND_THIS), offset, BP_VAR_R, return_value);
}

ZEND_METHOD(FrankenPHP_SharedArray, offsetSet)
{
	zval *offset, *value;

	ZEND_PARSE_PARAMETERS_START(2, 2)
		Z_PARAM_ZVAL(offset)
		Z_PARAM_ZVAL(value)
	ZEND_PARSE_PARAMETERS_END();
	igor_shared_array_write(Z_OBJ_P(ZEND_THIS), offset, value);
}

ZEND_METHOD(FrankenPHP_SharedArray, offsetUnset)
{
	zval *offset;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ZVAL(offset)
	ZEND_PARSE_PARAMETERS_END();
	igor_shared_array_unset(Z_OBJ_P(ZEND_THIS), offset);
}

#define IGOR_STORE_METHOD(name, arguments) \
	ZEND_ME(FrankenPHP_SharedArray, name, arginfo_igor_##arguments, ZEND_ACC_PUBLIC)

static const zend_function_entry igor_shared_array_methods[] = {
	IGOR_STORE_METHOD(__construct, SharedArray___construct)
	IGOR_STORE_METHOD(get, SharedArray_get)
	IGOR_STORE_METHOD(set, SharedArray_set)
	IGOR_STORE_METHOD(add, SharedArray_add)
	IGOR_STORE_METHOD(cas, SharedArray_cas)
	IGOR_STORE_METHOD(pull, SharedArray_pull)
	IGOR_STORE_METHOD(delete, SharedArray_delete)
	IGOR_STORE_METHOD(increment, SharedArray_increment)
	IGOR_STORE_METHOD(decrement, SharedArray_increment)
	IGOR_STORE_METHOD(compute, SharedArray_compute)
	IGOR_STORE_METHOD(merge, SharedArray_merge)
	IGOR_STORE_METHOD(replace, SharedArray_merge)
	IGOR_STORE_METHOD(clear, void)
	IGOR_STORE_METHOD(keys, SharedArray_array)
	IGOR_STORE_METHOD(snapshot, SharedArray_array)
	IGOR_STORE_METHOD(version, SharedArray_int)
	IGOR_STORE_METHOD(count, SharedArray_int)
	IGOR_STORE_METHOD(getIterator, SharedArray_getIterator)
	IGOR_STORE_METHOD(watch, untyped)
	IGOR_STORE_METHOD(offsetExists, SharedArray_offsetExists)
	IGOR_STORE_METHOD(offsetGet, SharedArray_offsetGet)
	IGOR_STORE_METHOD(offsetSet, SharedArray_offsetSet)
	IGOR_STORE_METHOD(offsetUnset, SharedArray_offsetUnset)
	PHP_FE_END
};

void igor_store_class_register(void)
{
	zend_object_handlers *handlers = &igor_shared_array_handlers;

	igor_shared_array_class = igor_handle_register(ZEND_STRL("FrankenPHP\\SharedArray"), igor_shared_array_methods,
		igor_shared_array_create, handlers, igor_handle_free);
	handlers->read_dimension = igor_shared_array_read;
	handlers->write_dimension = igor_shared_array_write;
	handlers->has_dimension = igor_shared_array_has;
	handlers->unset_dimension = igor_shared_array_unset;
	handlers->count_elements = igor_shared_array_count;
	zend_class_implements(igor_shared_array_class, 3, zend_ce_arrayaccess, zend_ce_countable, zend_ce_aggregate);
}
