/* The module in another PHP: loaded by `extension=`, or compiled in.
 *
 * It is active only in the SAPI `cli`, and only if the setting igor.config names a configuration. Then, in order:
 *
 *   MINIT      reads the configuration, registers the functions, and wraps the SAPI's callbacks;
 *   RINIT      on the main thread: starts the background workers. Not before: a thread's copy of the engine is made from
 *              tables that PHP completes after the last MINIT;
 *   RSHUTDOWN  ends the workers. The script is over by then, with its shutdown functions and destructors, however it ended,
 *              and every other module is still there: the workers may use them to the last;
 *   deactivate of the SAPI, the last callback of a PHP request: a process that must not go on to the shutdown of the engine
 *              leaves here. That is a process with a thread that cannot be stopped, or the forked child of a process with
 * threads: PHP's shutdown frees the memory of all threads that it knows, and the child has those of its parent on its list,
 * in whatever state they were; MSHUTDOWN  undoes MINIT. Until then, snapshots that the script has read stay in memory. */
#include "internal.h"
#include "igor.h"

#include <ext/standard/info.h>
#include <php_ini.h>
#include <php_main.h>
#include <TSRM.h>

#include <string.h>
#include <unistd.h>

static void *igor_extension = NULL; /* the result of host_extension_load(); NULL: no configuration */
static bool igor_running = false;   /* the workers were started for the request of the main thread */
static bool igor_stuck = false;     /* one of their threads cannot be stopped */
static sapi_module_struct igor_host_sapi;

/* ---- Between PHP and the SAPI -------------------------------------------------------------------------------- */

/* All threads share one set of SAPI callbacks. Our threads write to the log instead of the program's output, and have their
 * own variables and no headers; calls from other threads are passed on. */
static bool igor_thread_is_ours(void)
{
	return igor_self != NULL && igor_self->mode != IGOR_HOSTED;
}

static int igor_between_activate(void)
{
	if (igor_thread_is_ours()) {
		return shim_sapi_activate();
	}
	return igor_host_sapi.activate != NULL ? igor_host_sapi.activate() : SUCCESS;
}

static int igor_between_deactivate(void)
{
	int result;

	if (igor_thread_is_ours()) {
		return SUCCESS;
	}
	result = igor_host_sapi.deactivate != NULL ? igor_host_sapi.deactivate() : SUCCESS;
	if (igor_running && tsrm_is_main_thread() && (igor_forked || igor_stuck)) {
		_exit(EG(exit_status));
	}
	return result;
}

static size_t igor_between_write(const char *bytes, size_t len)
{
	return igor_thread_is_ours() ? shim_sapi_write(bytes, len) : igor_host_sapi.ub_write(bytes, len);
}

static void igor_between_flush(void *server_context)
{
	if (igor_thread_is_ours()) {
		shim_sapi_flush(server_context);
	} else if (igor_host_sapi.flush != NULL) {
		igor_host_sapi.flush(server_context);
	}
}

static char *igor_between_getenv(const char *name, size_t len)
{
	if (igor_thread_is_ours()) {
		return shim_sapi_getenv(name, len);
	}
	return igor_host_sapi.getenv != NULL ? igor_host_sapi.getenv(name, len) : NULL;
}

static int igor_between_header(sapi_header_struct *header, sapi_header_op_enum operation, sapi_headers_struct *headers)
{
	if (!igor_thread_is_ours() && igor_host_sapi.header_handler != NULL) {
		return igor_host_sapi.header_handler(header, operation, headers);
	}
	return SAPI_HEADER_ADD;
}

static int igor_between_send_headers(sapi_headers_struct *headers)
{
	if (igor_thread_is_ours()) {
		return shim_sapi_send_headers(headers);
	}
	return igor_host_sapi.send_headers != NULL ? igor_host_sapi.send_headers(headers) : SAPI_HEADER_DO_SEND;
}

static size_t igor_between_read_post(char *into, size_t len)
{
	if (igor_thread_is_ours()) {
		return shim_sapi_read_post(into, len);
	}
	return igor_host_sapi.read_post != NULL ? igor_host_sapi.read_post(into, len) : 0;
}

static char *igor_between_read_cookies(void)
{
	return igor_thread_is_ours() ? shim_sapi_read_cookies() : igor_host_sapi.read_cookies();
}

static void igor_between_server_variables(zval *into)
{
	if (igor_thread_is_ours()) {
		shim_sapi_server_variables(into);
	} else if (igor_host_sapi.register_server_variables != NULL) {
		igor_host_sapi.register_server_variables(into);
	}
}

static void igor_between_log(const char *message, int level)
{
	if (igor_thread_is_ours()) {
		shim_sapi_log(message, level);
	} else if (igor_host_sapi.log_message != NULL) {
		igor_host_sapi.log_message(message, level);
	}
}

static void igor_step_between(void)
{
	igor_host_sapi = sapi_module;
	sapi_module.activate = igor_between_activate;
	sapi_module.deactivate = igor_between_deactivate;
	sapi_module.ub_write = igor_between_write;
	sapi_module.flush = igor_between_flush;
	sapi_module.getenv = igor_between_getenv;
	sapi_module.header_handler = igor_between_header;
	sapi_module.send_headers = igor_between_send_headers;
	sapi_module.read_post = igor_between_read_post;
	sapi_module.read_cookies = igor_between_read_cookies;
	sapi_module.register_server_variables = igor_between_server_variables;
	sapi_module.log_message = igor_between_log;
}

/* A callback that another module has replaced meanwhile stays replaced; it keeps calling ours, which passes the call on. */
#define IGOR_STEP_BACK(callback, ours) \
	if (sapi_module.callback == (ours)) { \
		sapi_module.callback = igor_host_sapi.callback; \
	}

static void igor_step_back(void)
{
	IGOR_STEP_BACK(activate, igor_between_activate)
	IGOR_STEP_BACK(deactivate, igor_between_deactivate)
	IGOR_STEP_BACK(ub_write, igor_between_write)
	IGOR_STEP_BACK(flush, igor_between_flush)
	IGOR_STEP_BACK(getenv, igor_between_getenv)
	IGOR_STEP_BACK(header_handler, igor_between_header)
	IGOR_STEP_BACK(send_headers, igor_between_send_headers)
	IGOR_STEP_BACK(read_post, igor_between_read_post)
	IGOR_STEP_BACK(read_cookies, igor_between_read_cookies)
	IGOR_STEP_BACK(register_server_variables, igor_between_server_variables)
	IGOR_STEP_BACK(log_message, igor_between_log)
}

/* ---- The module ---------------------------------------------------------------------------------------------- */

PHP_INI_BEGIN()
	PHP_INI_ENTRY("igor.config", "", PHP_INI_SYSTEM, NULL)
PHP_INI_END()

/* Other SAPIs serve requests with their own short-lived processes and threads, and each would start the workers. Use the
 * program igor for that. */
static bool igor_sapi_is_command_line(void)
{
	return strcmp(sapi_module.name, "cli") == 0;
}

static void igor_complain(int type)
{
	const char *error = igor_extension != NULL ? host_extension_error(igor_extension) : NULL;

	zend_error(type, "igor: %s", error != NULL ? error : "the configuration could not be used, which is a defect of igor");
}

/* A PHP that has the module compiled in was not asked for its build when it loaded the module. */
static bool igor_build_fits(void)
{
	if (&igor_php_build == NULL || strcmp(igor_php_build, IGOR_BUILD) == 0) {
		return true;
	}
	zend_error(E_CORE_WARNING, "igor: libigor.a was made for the build %s, and this PHP is %s; make it with the php-config of "
		"a PHP that is configured alike", IGOR_BUILD, igor_php_build);
	return false;
}

static PHP_MINIT_FUNCTION(extension)
{
	const char *path;

	if (!igor_build_fits()) {
		return FAILURE;
	}
	if (type != MODULE_PERSISTENT) {
		zend_error(E_WARNING, "igor: dl() cannot load this module; name it in php.ini, or by -d extension=");
		return FAILURE;
	}
	REGISTER_INI_ENTRIES();
	path = INI_STR("igor.config");
	if (path == NULL || *path == '\0' || !igor_sapi_is_command_line()) {
		return SUCCESS;
	}
	igor_extension = host_extension_load(path);
	if (igor_extension == NULL || host_extension_error(igor_extension) != NULL) {
		igor_complain(E_CORE_WARNING);
		return FAILURE;
	}
	igor_classes_register();
	if (zend_register_functions(NULL, igor_background_functions, NULL, type) == FAILURE) {
		return FAILURE;
	}
	igor_step_between();
	igor_errors_observe();
	igor_interrupt_install();
	igor_fork_install();
	igor_children_install();
	return SUCCESS;
}

/* The request of a script. Requests of our own threads and of other modules' threads are ignored, and so is opcache's
 * preloading, which runs before the engine is complete. */
static PHP_RINIT_FUNCTION(extension)
{
	(void) type;
	(void) module_number;
	if (igor_extension == NULL || igor_forked || !tsrm_is_main_thread() || !php_get_module_initialized()) {
		return SUCCESS;
	}
	if (!host_extension_start(igor_extension)) {
		igor_complain(E_WARNING);
		return FAILURE;
	}
	igor_running = true;
	return SUCCESS;
}

static void igor_extension_stop(void)
{
	if (igor_running && !igor_forked && !igor_stuck) {
		igor_stuck = !host_extension_stop(igor_extension);
	}
}

static PHP_RSHUTDOWN_FUNCTION(extension)
{
	PHP_RSHUTDOWN(igor)(type, module_number);
	if (tsrm_is_main_thread() && !igor_thread_is_ours()) {
		igor_extension_stop();
	}
	return SUCCESS;
}

static PHP_MSHUTDOWN_FUNCTION(extension)
{
	(void) type;
	if (igor_extension != NULL) {
		/* A request that failed to start has no RSHUTDOWN. */
		igor_extension_stop();
		if (igor_stuck || igor_forked) {
			_exit(EG(exit_status));
		}
		igor_step_back();
		igor_interrupt_remove();
		host_extension_end(igor_extension);
		host_extension_free(igor_extension);
		igor_extension = NULL;
	}
	UNREGISTER_INI_ENTRIES();
	return SUCCESS;
}

static PHP_MINFO_FUNCTION(extension)
{
	igor_pair row;
	size_t i;

	php_info_print_table_start();
	php_info_print_table_row(2, "igor", "enabled");
	php_info_print_table_row(2, "Version", IGOR_VERSION);
	php_info_print_table_row(2, "PHP API", zend_module->build_id);
	if (igor_extension == NULL) {
		php_info_print_table_row(2, "Configuration", igor_sapi_is_command_line()
			? "none: igor.config names no Caddyfile" : "none: background workers run beside the SAPI cli alone");
	}
	for (i = 0; igor_extension != NULL && host_extension_describe(igor_extension, i, &row); i++) {
		zend_string *name = zend_string_init(row.name, row.name_len, 0);
		zend_string *value = zend_string_init(row.value, row.value_len, 0);

		php_info_print_table_row(2, ZSTR_VAL(name), ZSTR_VAL(value));
		zend_string_release(name);
		zend_string_release(value);
	}
	php_info_print_table_end();
	DISPLAY_INI_ENTRIES();
}

zend_module_entry igor_extension_entry = {
	STANDARD_MODULE_HEADER,
	"igor",
	NULL, /* they come with the configuration */
	PHP_MINIT(extension),
	PHP_MSHUTDOWN(extension),
	PHP_RINIT(extension),
	PHP_RSHUTDOWN(extension),
	PHP_MINFO(extension),
	IGOR_VERSION,
	STANDARD_MODULE_PROPERTIES
};

const void *shim_extension_entry(void)
{
	return &igor_extension_entry;
}
