/* The functions for background workers, except those for published arrays: see vars.c. */
#include "internal.h"

#include <ext/spl/spl_exceptions.h>
#include <php_streams.h>

#include <math.h>
#include <string.h>
#include <unistd.h>

static igor_phase igor_phase_of(const igor_thread *self)
{
	if (self->mode != IGOR_HTTP_WORKER) {
		return IGOR_PHASE_REQUEST;
	}
	return self->handled ? IGOR_PHASE_CALLBACK : IGOR_PHASE_BOOT;
}

/* A stream over a descriptor of its own: fclose() on it closes that one, never the worker's. */
PHP_FUNCTION(frankenphp_get_worker_handle)
{
	igor_verdict verdict;
	php_stream *stream;

	ZEND_PARSE_PARAMETERS_NONE();

	if (igor_self == NULL || igor_self->mode != IGOR_BACKGROUND) {
		zend_throw_exception(spl_ce_RuntimeException,
			"frankenphp_get_worker_handle() can only be called in a background worker", 0);
		RETURN_THROWS();
	}
	/* PHP's stream is memory of the request, for which PHP may leave by a jump: the descriptor must not be lost then. */
	verdict = host_worker_handle(igor_self->host, &igor_self->opening_fd);
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
	IGOR_FAULT("handle");
	stream = php_stream_fopen_from_fd(igor_self->opening_fd, "rb", NULL);
	if (stream == NULL) {
		close(igor_self->opening_fd);
		igor_self->opening_fd = -1;
		zend_throw_exception(spl_ce_RuntimeException,
			"frankenphp_get_worker_handle(): PHP could not open a stream on the worker's handle", 0);
		RETURN_THROWS();
	}
	igor_self->opening_fd = -1;
	php_stream_to_zval(stream, return_value);
}

static bool igor_timeout_is_valid(double timeout, uint32_t argument)
{
	if (!isfinite(timeout) || timeout <= 0.0) {
		zend_argument_value_error(argument, "must be a finite number of seconds greater than 0");
		return false;
	}
	return true;
}

static bool igor_name_is_valid(const zend_string *name, uint32_t argument)
{
	if (ZSTR_LEN(name) == 0) {
		zend_argument_value_error(argument, "must not be empty");
		return false;
	}
	if (memchr(ZSTR_VAL(name), 0, ZSTR_LEN(name)) != NULL) {
		zend_argument_value_error(argument, "must not contain any null bytes");
		return false;
	}
	return true;
}

PHP_FUNCTION(frankenphp_require_background_worker)
{
	zend_string *name;
	double timeout = 30.0;
	igor_verdict verdict;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(name)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE(timeout)
	ZEND_PARSE_PARAMETERS_END();

	if (!igor_name_is_valid(name, 1) || !igor_timeout_is_valid(timeout, 2)) {
		RETURN_THROWS();
	}
	if (igor_self == NULL) {
		igor_throw_outside("frankenphp_require_background_worker");
		RETURN_THROWS();
	}
	IGOR_FAULT("require");
	verdict = host_require(igor_self->host, ZSTR_VAL(name), ZSTR_LEN(name), timeout, igor_phase_of(igor_self));
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
}

/* Checks every name before any worker starts. */
static bool igor_names_are_valid(HashTable *names)
{
	HashTable seen;
	zval *element;
	bool valid = true;

	if (zend_hash_num_elements(names) == 0) {
		zend_argument_value_error(1, "must not be an empty array");
		return false;
	}
	zend_hash_init(&seen, zend_hash_num_elements(names), NULL, NULL, 0);
	ZEND_HASH_FOREACH_VAL(names, element) {
		ZVAL_DEREF(element);
		if (Z_TYPE_P(element) != IS_STRING) {
			zend_argument_type_error(1, "must be a string or an array of strings, array with a value of type %s given",
				zend_zval_type_name(element));
			valid = false;
		} else if (!igor_name_is_valid(Z_STR_P(element), 1)) {
			valid = false;
		} else if (zend_hash_add_empty_element(&seen, Z_STR_P(element)) == NULL) {
			zend_argument_value_error(1, "must not name a background worker twice (\"%s\")", Z_STRVAL_P(element));
			valid = false;
		}
		if (!valid) {
			break;
		}
	} ZEND_HASH_FOREACH_END();
	zend_hash_destroy(&seen);
	return valid;
}

PHP_FUNCTION(frankenphp_ensure_background_worker)
{
	zend_string *name;
	HashTable *names;
	double timeout = 30.0;
	bool timeout_is_null = true;
	zval *element;
	igor_verdict verdict = IGOR_OK;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_ARRAY_HT_OR_STR(names, name)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE_OR_NULL(timeout, timeout_is_null)
	ZEND_PARSE_PARAMETERS_END();

	if (name != NULL ? !igor_name_is_valid(name, 1) : !igor_names_are_valid(names)) {
		RETURN_THROWS();
	}
	if (timeout_is_null) {
		timeout = 30.0;
	} else if (!igor_timeout_is_valid(timeout, 2)) {
		RETURN_THROWS();
	}
	if (igor_self == NULL) {
		igor_throw_outside("frankenphp_ensure_background_worker");
		RETURN_THROWS();
	}
	host_ensure_clear(igor_self->host);
	if (name != NULL) {
		verdict = host_ensure_name(igor_self->host, ZSTR_VAL(name), ZSTR_LEN(name));
	} else {
		ZEND_HASH_FOREACH_VAL(names, element) {
			ZVAL_DEREF(element);
			verdict = host_ensure_name(igor_self->host, Z_STRVAL_P(element), Z_STRLEN_P(element));
			if (verdict != IGOR_OK) {
				break;
			}
		} ZEND_HASH_FOREACH_END();
	}
	IGOR_FAULT("ensure");
	if (verdict == IGOR_OK) {
		verdict = host_ensure(igor_self->host, timeout, igor_phase_of(igor_self));
	}
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
}
