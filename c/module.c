/* The module: its functions with their signatures, its settings, its hooks; and the function that writes to the log. */
#include "internal.h"
#include "functions_arginfo.h"

#include <ext/json/php_json.h>
#include <ext/standard/info.h>
#include <php_ini.h>
#include <zend_smart_str.h>

#include <syslog.h>

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
/* Arms a fault on this thread (src/faults.rs), and returns whether no fault was pending. */
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
	PHP_FE(mercure_publish, arginfo_mercure_publish)
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
 * scripts can read it and php.ini may set it. */
PHP_INI_BEGIN()
	PHP_INI_ENTRY("igor.config", NULL, PHP_INI_SYSTEM, NULL)
	PHP_INI_ENTRY("igor.apcu", NULL, PHP_INI_SYSTEM, NULL)
PHP_INI_END()

static PHP_MINIT_FUNCTION(igor)
{
	(void) type;
	REGISTER_INI_ENTRIES();
	igor_opcache_fit();
	igor_classes_register();
	igor_apcu_register(type, module_number);
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
		igor_elements_clear(igor_self);
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
