/* Start and stop of the PHP engine: once per process, on one thread. */
#include "internal.h"

#include <php_main.h>
#include <php_ini.h>
#include <zend_extensions.h>
#include <zend_observer.h>
#include <TSRM.h>

#include <signal.h>
#include <string.h>

/* Defined by php_ini.c, declared by no header. */
extern PHPAPI char *php_ini_opened_path;

/* Errors that can end a script are kept, so that a failed run can be explained. An observer sees them before any
 * user-defined handler and whatever error_reporting says. */
static void igor_observe_error(int type, zend_string *file, uint32_t line, zend_string *message)
{
	const int ending = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;

	IGOR_FAULT("observe_error");
	if (igor_self != NULL && (type & ending) != 0) {
		host_script_error(igor_self->host, type & E_ALL, file ? ZSTR_VAL(file) : "", file ? ZSTR_LEN(file) : 0, line,
			ZSTR_VAL(message), ZSTR_LEN(message));
	}
}

void igor_errors_observe(void)
{
	zend_observer_error_register(igor_observe_error);
}

/* The version of the library that is loaded, which need not be that of the headers. */
static const char *igor_library_version(void)
{
	const zval *version = zend_get_constant_str("PHP_VERSION", sizeof("PHP_VERSION") - 1);

	return version != NULL && Z_TYPE_P(version) == IS_STRING ? Z_STRVAL_P(version) : PHP_VERSION;
}

/* Only opcache itself can tell whether it really runs: it starts for certain SAPI names only, and silently stays off for
 * all others. So one empty request calls opcache_get_status(), and reads the environment. */
static void igor_first_request(igor_engine_info *info)
{
	zval function, arguments[1], status;

	ZVAL_UNDEF(&status);
	if (php_request_startup() == SUCCESS) {
		zend_try {
			igor_server_variables_share();
			ZVAL_STRING(&function, "opcache_get_status");
			ZVAL_FALSE(&arguments[0]);
			if (zend_hash_str_exists(CG(function_table), ZEND_STRL("opcache_get_status"))
				&& call_user_function(NULL, NULL, &function, &status, 1, arguments) == SUCCESS
				&& Z_TYPE(status) == IS_ARRAY) {
				zval *enabled = zend_hash_str_find(Z_ARRVAL(status), ZEND_STRL("opcache_enabled"));
				zval *jit = zend_hash_str_find(Z_ARRVAL(status), ZEND_STRL("jit"));
				zval *on = jit && Z_TYPE_P(jit) == IS_ARRAY ? zend_hash_str_find(Z_ARRVAL_P(jit), ZEND_STRL("on")) : NULL;

				info->opcache_enabled = enabled && Z_TYPE_P(enabled) == IS_TRUE;
				if (info->opcache_enabled) {
					igor_opcache_note(&status);
				}
				info->jit_enabled = on && Z_TYPE_P(on) == IS_TRUE;
			}
			zval_ptr_dtor(&status);
			zval_ptr_dtor(&function);
		} zend_end_try();
	}
	php_request_shutdown(NULL);
}

int shim_engine_start(void *sapi_module_description, int threads, igor_engine_info *info)
{
	sapi_module_struct *sapi = sapi_module_description;
	const char *ini_entries = sapi->ini_entries;

	if (!IGOR_TSRM_STARTUP(threads)) {
		return -1;
	}
	zend_signal_startup();
#ifdef IGOR_LAUNDER
	igor_launder_install();
#endif
	sapi_startup(sapi);
	/* sapi_startup() forgets them. */
	sapi->ini_entries = IGOR_INI_ENTRIES(ini_entries);
	igor_opcache_preload();
	igor_filter_watch();
	if (php_module_startup(sapi, &igor_module_entry) == FAILURE) {
		sapi_shutdown();
		tsrm_shutdown();
		return -1;
	}
	/* PHP's startup has put its own in the place of the one in the description. */
	sapi_module.default_post_reader = shim_sapi_default_post_reader;
	igor_errors_observe();
	igor_thread_globals_install();
	igor_interrupt_install();
	/* Writing to a closed pipe must not end the server. */
	igor_signal_ignore(SIGPIPE);
	igor_fork_install();
	igor_opcache_install();
	igor_environment_install();
	igor_server_variables_install();
	igor_signals_install();
	igor_masks_install();
	igor_kill_install();
	igor_reset_install();
	igor_children_install();

	info->php_version = igor_library_version();
	info->loaded_ini = php_ini_opened_path;
	info->zts = true;
	info->debug = ZEND_DEBUG;
	info->opcache_loaded = zend_get_extension("Zend OPcache") != NULL;
	igor_first_request(info);
	info->opcache_guarded = igor_opcache_is_guarded();
	/* Output of PHP's start may still be in a buffer of the C library. */
	fflush(stdout);
	return 0;
}

void shim_engine_stop(void)
{
	php_module_shutdown();
	sapi_shutdown();
	tsrm_shutdown();
}
