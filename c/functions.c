/* The other functions, and the module that registers them all. Hot paths stand in vars.c. */
#include "internal.h"
#include "functions_arginfo.h"

#include <ext/json/php_json.h>
#include <ext/spl/spl_exceptions.h>
#include <ext/standard/head.h>
#include <ext/standard/info.h>
#include <php_ini.h>
#include <php_streams.h>
#include <zend_smart_str.h>

#include <math.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

/* ---- Errors -------------------------------------------------------------------------------------------------- */

/* Throws what a verdict stands for. Rust has returned: this may leave by a jump when memory runs out. */
void igor_throw(igor_thread *self, igor_verdict verdict)
{
	size_t len = 0;
	const char *message = host_message(self->host, &len);
	zend_string *text = message != NULL ? zend_string_init(message, len, 0) : ZSTR_EMPTY_ALLOC();
	zend_class_entry *class = verdict == IGOR_VALUE_ERROR ? zend_ce_value_error
		: verdict == IGOR_LOGIC_EXCEPTION ? spl_ce_LogicException
		: spl_ce_RuntimeException;

	IGOR_FAULT("throw");
	zend_throw_exception(class, ZSTR_VAL(text), 0);
	zend_string_release(text);
}

void igor_throw_outside(const char *function)
{
	zend_throw_exception_ex(spl_ce_RuntimeException, 0, "%s() can only be called on a thread of the server", function);
}

/* ---- Background workers -------------------------------------------------------------------------------------- */

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

/* ---- Requests and responses ---------------------------------------------------------------------------------- */

PHP_FUNCTION(frankenphp_finish_request)
{
	ZEND_PARSE_PARAMETERS_NONE();

	if (igor_self == NULL || !igor_self->has_job || igor_self->finished || igor_in_forked_server()) {
		RETURN_FALSE;
	}
	php_output_end_all();
	IGOR_FAULT("finish_request");
	php_header();
	igor_self->finished = true;
	host_finish(igor_self->host);
	RETURN_TRUE;
}

/* Sends what header() has gathered as an informational response (103 Early Hints), or all headers at once. */
PHP_FUNCTION(headers_send)
{
	zend_long status = 200;
	zend_llist_position position;
	sapi_header_struct *header;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(status)
	ZEND_PARSE_PARAMETERS_END();

	if (igor_self == NULL || !igor_self->has_job || SG(headers_sent) || igor_in_forked_server()) {
		RETURN_LONG(SAPI_HEADER_SEND_FAILED);
	}
	if (status < 100 || status >= 200) {
		SG(sapi_headers).http_response_code = (int) status;
		RETURN_LONG(sapi_send_headers());
	}
	IGOR_FAULT("headers_send");
	for (header = zend_llist_get_first_ex(&SG(sapi_headers).headers, &position); header != NULL;
		header = zend_llist_get_next_ex(&SG(sapi_headers).headers, &position)) {
		host_header(igor_self->host, header->header, header->header_len);
	}
	(void) host_inform(igor_self->host, (int) status);
	RETURN_LONG(SAPI_HEADER_SENT_SUCCESSFULLY);
}

PHP_FUNCTION(frankenphp_request_headers)
{
	igor_pair header;
	size_t i;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	if (igor_self == NULL || !igor_self->has_job) {
		return;
	}
	for (i = 0; host_request_header(igor_self->host, i, &header); i++) {
		IGOR_FAULT("request_headers");
		add_assoc_stringl_ex(return_value, header.name, header.name_len, header.value, header.value_len);
	}
}

PHP_FUNCTION(frankenphp_response_headers)
{
	zend_llist_position position;
	sapi_header_struct *header;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	for (header = zend_llist_get_first_ex(&SG(sapi_headers).headers, &position); header != NULL;
		header = zend_llist_get_next_ex(&SG(sapi_headers).headers, &position)) {
		const char *colon = memchr(header->header, ':', header->header_len);
		const char *value;

		if (colon == NULL) {
			continue;
		}
		value = colon + 1;
		while (value < header->header + header->header_len && *value == ' ') {
			value++;
		}
		add_assoc_stringl_ex(return_value, header->header, colon - header->header, value,
			header->header + header->header_len - value);
	}
}

/* Levels are those of the log's own scale: -4 debug, 0 info, 4 warning, 8 error. */
PHP_FUNCTION(frankenphp_log)
{
	zend_string *message;
	zend_long level = 0;
	HashTable *context = NULL;
	smart_str record = {0};

	ZEND_PARSE_PARAMETERS_START(1, 3)
		Z_PARAM_STR(message)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(level)
		Z_PARAM_ARRAY_HT(context)
	ZEND_PARSE_PARAMETERS_END();

	smart_str_append(&record, message);
	if (context != NULL && zend_hash_num_elements(context) > 0) {
		zval array;

		ZVAL_ARR(&array, context);
		smart_str_appendc(&record, ' ');
		php_json_encode(&record, &array, PHP_JSON_PARTIAL_OUTPUT_ON_ERROR | PHP_JSON_UNESCAPED_SLASHES);
	}
	smart_str_0(&record);
	IGOR_FAULT("frankenphp_log");
	igor_log(level < 0 ? LOG_DEBUG : level < 4 ? LOG_INFO : level < 8 ? LOG_WARNING : LOG_ERR, ZSTR_VAL(record.s),
		ZSTR_LEN(record.s));
	smart_str_free(&record);
}

#ifdef IGOR_BENCH
ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_bench_array_dup, 0, 1, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, array, IS_ARRAY, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_bench_counted, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, callback, IS_CALLABLE, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_bench_snapshot_bytes, 0, 1, IS_LONG, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_bench_nothing, 0, 1, IS_VOID, 0)
	ZEND_ARG_TYPE_INFO(0, name, IS_STRING, 0)
ZEND_END_ARG_INFO()
#endif

#ifdef IGOR_FAULTS
/* Arms a fault on this thread (src/faults.rs), and tells whether the one before has happened. */
static PHP_FUNCTION(igor_fault)
{
	zend_string *point;
	zend_long nth = 1;

	ZEND_PARSE_PARAMETERS_START(1, 2)
		Z_PARAM_STR(point)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(nth)
	ZEND_PARSE_PARAMETERS_END();
	RETURN_BOOL(host_fault_arm(ZSTR_VAL(point), ZSTR_LEN(point), (uint64_t) nth));
}

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_fault, 0, 1, _IS_BOOL, 0)
	ZEND_ARG_TYPE_INFO(0, point, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO_WITH_DEFAULT_VALUE(0, nth, IS_LONG, 0, "1")
ZEND_END_ARG_INFO()
#endif

#ifdef IGOR_LAUNDER
ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_launder_array, 0, 2, IS_ARRAY, 0)
	ZEND_ARG_TYPE_INFO(0, value, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO(0, site, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_launder_constant, 0, 2, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO(0, value, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO(0, site, IS_LONG, 0)
ZEND_END_ARG_INFO()

ZEND_BEGIN_ARG_WITH_RETURN_TYPE_INFO_EX(arginfo_igor_launder_string, 0, 2, IS_STRING, 0)
	ZEND_ARG_TYPE_INFO(0, value, IS_MIXED, 0)
	ZEND_ARG_TYPE_INFO(0, site, IS_LONG, 0)
ZEND_END_ARG_INFO()
#endif

/* ---- The module ---------------------------------------------------------------------------------------------- */

#define IGOR_BACKGROUND_FUNCTIONS \
	PHP_FE(frankenphp_get_worker_handle, arginfo_frankenphp_get_worker_handle) \
	PHP_FE(frankenphp_require_background_worker, arginfo_frankenphp_require_background_worker) \
	PHP_FE(frankenphp_ensure_background_worker, arginfo_frankenphp_ensure_background_worker) \
	PHP_FE(frankenphp_set_vars, arginfo_frankenphp_set_vars) \
	PHP_FE(frankenphp_get_vars, arginfo_frankenphp_get_vars) \
	PHP_FE(frankenphp_log, arginfo_frankenphp_log)

const zend_function_entry igor_background_functions[] = {
	IGOR_BACKGROUND_FUNCTIONS
	PHP_FE_END
};

static const zend_function_entry igor_functions[] = {
	IGOR_BACKGROUND_FUNCTIONS
	PHP_FE(frankenphp_handle_request, arginfo_frankenphp_handle_request)
	PHP_FE(frankenphp_finish_request, arginfo_frankenphp_finish_request)
	PHP_FALIAS(fastcgi_finish_request, frankenphp_finish_request, arginfo_frankenphp_finish_request)
	PHP_FE(headers_send, arginfo_headers_send)
	PHP_FE(frankenphp_request_headers, arginfo_frankenphp_request_headers)
	PHP_FALIAS(apache_request_headers, frankenphp_request_headers, arginfo_frankenphp_request_headers)
	PHP_FALIAS(getallheaders, frankenphp_request_headers, arginfo_frankenphp_request_headers)
	PHP_FE(frankenphp_response_headers, arginfo_frankenphp_response_headers)
	PHP_FALIAS(apache_response_headers, frankenphp_response_headers, arginfo_frankenphp_response_headers)
#ifdef IGOR_BENCH
	PHP_FE(igor_bench_array_dup, arginfo_igor_bench_array_dup)
	PHP_FE(igor_bench_counted, arginfo_igor_bench_counted)
	PHP_FE(igor_bench_nothing, arginfo_igor_bench_nothing)
	PHP_FE(igor_bench_snapshot_bytes, arginfo_igor_bench_snapshot_bytes)
#endif
#ifdef IGOR_FAULTS
	PHP_FE(igor_fault, arginfo_igor_fault)
#endif
#ifdef IGOR_LAUNDER
	PHP_FE(igor_launder_array, arginfo_igor_launder_array)
	PHP_FE(igor_launder_constant, arginfo_igor_launder_constant)
	PHP_FE(igor_launder_string, arginfo_igor_launder_string)
#endif
	PHP_FE_END
};

/* The configuration beside a script of igor-php. Read from the command line before the engine starts; registered so that
 * scripts see it and php.ini knows it. */
PHP_INI_BEGIN()
	PHP_INI_ENTRY("igor.config", NULL, PHP_INI_SYSTEM, NULL)
PHP_INI_END()

static PHP_MINIT_FUNCTION(igor)
{
	(void) type;
	REGISTER_INI_ENTRIES();
	return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(igor)
{
	(void) type;
	UNREGISTER_INI_ENTRIES();
	return SUCCESS;
}

/* The cached values are released while their objects (enum cases) still live. */
PHP_RSHUTDOWN_FUNCTION(igor)
{
	(void) type;
	(void) module_number;
	if (igor_self != NULL) {
		igor_self->shut_down = true;
		IGOR_FAULT("request_shutdown");
		igor_cache_clear(igor_self);
	}
	return SUCCESS;
}

static PHP_MINFO_FUNCTION(igor)
{
	php_info_print_table_start();
	php_info_print_table_row(2, "igor", "enabled");
	php_info_print_table_row(2, "version", IGOR_VERSION);
	php_info_print_table_end();
	DISPLAY_INI_ENTRIES();
}

zend_module_entry igor_module_entry = {
	STANDARD_MODULE_HEADER,
	"igor",
	igor_functions,
	PHP_MINIT(igor),
	PHP_MSHUTDOWN(igor),
	NULL,
	PHP_RSHUTDOWN(igor),
	PHP_MINFO(igor),
	IGOR_VERSION,
	STANDARD_MODULE_PROPERTIES
};
