/* Every difference between PHP versions is in this file. */
#ifndef IGOR_COMPAT_H
#define IGOR_COMPAT_H

#include <php.h>
#include <php_version.h>

#if PHP_VERSION_ID < 80200
# error "Igor needs PHP 8.2 or newer"
#endif
#ifndef ZTS
# error "Igor needs a thread-safe PHP (configure --enable-zts)"
#endif

/* Variables that exist only in a thread-safe PHP. As weak symbols, they let another PHP load the module far enough to
 * compare the builds and refuse it with a helpful message. */
#pragma weak compiler_globals_offset
#pragma weak executor_globals_offset
#pragma weak sapi_globals_offset
#pragma weak core_globals_offset
#pragma weak basic_globals_id

/* 8.3 takes the number of threads, to size its table of them; 8.2 lets the table grow. */
#if PHP_VERSION_ID >= 80300
# define IGOR_TSRM_STARTUP(threads) php_tsrm_startup_ex(threads)
#else
# define IGOR_TSRM_STARTUP(threads) ((void) (threads), php_tsrm_startup())
#endif

/* 8.2 and 8.3 declare the SAPI's ini entries as writable, and never write to them. */
#if PHP_VERSION_ID >= 80400
# define IGOR_INI_ENTRIES(text) (text)
#else
# define IGOR_INI_ENTRIES(text) ((char *) (text))
#endif

/* 8.6 has an interface for objects that its poll API can wait for. The extension that declares it is loaded before ours. */
#if PHP_VERSION_ID >= 80600
# define IGOR_IMPLEMENT_POLL_HANDLE(class) do { \
	zend_class_entry *poll_handle = zend_hash_str_find_ptr(CG(class_table), ZEND_STRL("io\\poll\\handle")); \
	if (poll_handle != NULL) { zend_class_implements(class, 1, poll_handle); } \
} while (0)
#else
# define IGOR_IMPLEMENT_POLL_HANDLE(class) ((void) (class))
#endif

/* 8.4 reports when opcache schedules a restart. In older versions it is visible at the start of the next request
 * (opcache.c). */
#if PHP_VERSION_ID >= 80400
# define IGOR_SET_RESTART_HOOK(hook) (zend_accel_schedule_restart_hook = (hook))
#else
# define IGOR_SET_RESTART_HOOK(hook) ((void) (hook))
#endif

/* Until 8.4 opcache is a shared object; from 8.5 on it is part of PHP. */
#define IGOR_OPCACHE_IS_A_FILE (PHP_VERSION_ID < 80500)

/* 8.5 keeps the backtrace of a fatal error, which holds the arguments of its calls. The end of a worker's request releases
 * it. After the end of a PHP request it points to freed memory. */
#if PHP_VERSION_ID >= 80500
# define IGOR_FATAL_BACKTRACE_RELEASE() \
	do { \
		zval igor_backtrace; \
		ZVAL_COPY_VALUE(&igor_backtrace, &EG(last_fatal_error_backtrace)); \
		ZVAL_UNDEF(&EG(last_fatal_error_backtrace)); \
		zval_ptr_dtor(&igor_backtrace); \
	} while (0)
# define IGOR_FATAL_BACKTRACE_FORGET() ZVAL_UNDEF(&EG(last_fatal_error_backtrace))
#else
# define IGOR_FATAL_BACKTRACE_RELEASE() ((void) 0)
# define IGOR_FATAL_BACKTRACE_FORGET() ((void) 0)
#endif

/* The directive output_handler, or NULL when it is empty: a string of C, from 8.6 on one of PHP's. */
#if PHP_VERSION_ID >= 80600
# define IGOR_OUTPUT_HANDLER_TYPE zend_string *
# define IGOR_OUTPUT_HANDLER() \
	(PG(output_handler) != NULL && ZSTR_LEN(PG(output_handler)) > 0 ? ZSTR_VAL(PG(output_handler)) : NULL)
#else
# define IGOR_OUTPUT_HANDLER_TYPE char *
# define IGOR_OUTPUT_HANDLER() (PG(output_handler) != NULL && PG(output_handler)[0] != '\0' ? PG(output_handler) : NULL)
#endif

/* Releases the function of header_register_callback(): a value, from 8.6 on a resolved call. */
#if PHP_VERSION_ID >= 80600
# define IGOR_HEADER_CALLBACK_RELEASE() \
	do { \
		if (ZEND_FCC_INITIALIZED(SG(send_header_fcc))) { \
			zend_fcc_dtor(&SG(send_header_fcc)); \
		} \
	} while (0)
#else
# define IGOR_HEADER_CALLBACK_RELEASE() \
	do { \
		zval_ptr_dtor(&SG(callback_func)); \
		ZVAL_UNDEF(&SG(callback_func)); \
	} while (0)
#endif

/* 8.6 also stores whether a session's handlers are methods of the script's objects. */
#if PHP_VERSION_ID >= 80600
# define IGOR_SESSION_METHODS_GET() PS(mod_user_uses_object_methods_as_handlers)
# define IGOR_SESSION_METHODS_SET(value) ((void) (PS(mod_user_uses_object_methods_as_handlers) = (value)))
#else
# define IGOR_SESSION_METHODS_GET() false
# define IGOR_SESSION_METHODS_SET(value) ((void) (value))
#endif

/* Clears json_last_error(): a code, from 8.6 on a code with its place. */
#if PHP_VERSION_ID >= 80600
# define IGOR_JSON_ERROR_FORGET() ((void) memset(&JSON_G(error_details), 0, sizeof(JSON_G(error_details))))
#else
# define IGOR_JSON_ERROR_FORGET() ((void) (JSON_G(error_code) = PHP_JSON_ERROR_NONE))
#endif

/* What http_get_last_response_headers() returns. */
#define IGOR_HAS_LAST_HTTP_HEADERS (PHP_VERSION_ID >= 80400)

/* Matches a compiled pattern once. Until 8.4 the function has an argument that enables its flags. */
#if PHP_VERSION_ID >= 80400
# define IGOR_PCRE_MATCH(pattern, subject, result) php_pcre_match_impl(pattern, subject, result, NULL, false, 0, 0)
#else
# define IGOR_PCRE_MATCH(pattern, subject, result) php_pcre_match_impl(pattern, subject, result, NULL, 0, 0, 0, 0)
#endif

/* stream_last_errors() and stream_clear_errors(). */
#define IGOR_HAS_STREAM_ERRORS (PHP_VERSION_ID >= 80600)

/* The members of PHP's globals that only some versions have: c/layout.c passes its assertion of a type as HAS. */
#if PHP_VERSION_ID >= 80400
# define IGOR_LAST_HTTP_HEADERS_FIELDS(HAS) HAS(BG(last_http_headers), zval);
# define IGOR_SESSION_NAMES_FIELDS(HAS) \
	HAS(PS(mod_user_names).ps_open, zval); \
	HAS(PS(mod_user_names).ps_update_timestamp, zval);
#else
# define IGOR_LAST_HTTP_HEADERS_FIELDS(HAS)
# define IGOR_SESSION_NAMES_FIELDS(HAS)
#endif
#if PHP_VERSION_ID >= 80500
# define IGOR_FATAL_BACKTRACE_FIELDS(HAS) HAS(EG(last_fatal_error_backtrace), zval);
#else
# define IGOR_FATAL_BACKTRACE_FIELDS(HAS)
#endif
#if PHP_VERSION_ID >= 80600
# define IGOR_SESSION_METHODS_FIELDS(HAS) HAS(PS(mod_user_uses_object_methods_as_handlers), bool);
#else
# define IGOR_SESSION_METHODS_FIELDS(HAS)
#endif

#endif
