/* $_SERVER of a request: the environment of the process, then the variables of the request.
 *
 * It is made for nearly every request and has dozens of elements. The strings that do not depend on the request are made
 * once for the process: the environment, and the names that requests usually have. All threads use them, so they are marked
 * as interned: nothing counts their references or frees them. Values are copied, because a script may keep them for longer
 * than its request lives.
 *
 * Rust makes the variables of a request when they are asked for, and a script that never names $_SERVER does not ask.
 *
 * PHP's extension filter keeps all input a second time, as it came, for filter_input() and its siblings. Here it gets the
 * variables when the first of these functions asks for them. */
#include "internal.h"

#include <php_variables.h>

#include <dlfcn.h>
#include <string.h>
#include <strings.h>

/* Room for what a usual request adds to the environment, so that the copy does not grow. */
#define IGOR_SERVER_VARIABLES 48

/* What most requests have: the variables of CGI and of PHP, and the fields that browsers, proxies and clients of an
 * interface send. Other names work as well, and take an allocation each. */
static const char *const igor_usual_names[] = {
	"AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "DOCUMENT_ROOT", "DOCUMENT_URI", "GATEWAY_INTERFACE", "HTTPS", "PATH_INFO",
	"PATH_TRANSLATED", "PHP_SELF", "QUERY_STRING", "REDIRECT_STATUS", "REMOTE_ADDR", "REMOTE_HOST", "REMOTE_PORT",
	"REMOTE_USER", "REQUEST_METHOD", "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME", "SERVER_ADDR",
	"SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SERVER_SOFTWARE", "SSL_CIPHER", "SSL_PROTOCOL",
	"HTTP_ACCEPT", "HTTP_ACCEPT_CHARSET", "HTTP_ACCEPT_ENCODING", "HTTP_ACCEPT_LANGUAGE",
	"HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "HTTP_AUTHORIZATION",
	"HTTP_CACHE_CONTROL", "HTTP_CONNECTION", "HTTP_COOKIE", "HTTP_DNT", "HTTP_EXPECT", "HTTP_FORWARDED", "HTTP_HOST",
	"HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_KEEP_ALIVE",
	"HTTP_ORIGIN", "HTTP_PRAGMA", "HTTP_PRIORITY", "HTTP_RANGE", "HTTP_REFERER", "HTTP_SEC_CH_UA",
	"HTTP_SEC_CH_UA_MOBILE", "HTTP_SEC_CH_UA_PLATFORM", "HTTP_SEC_FETCH_DEST", "HTTP_SEC_FETCH_MODE",
	"HTTP_SEC_FETCH_SITE", "HTTP_SEC_FETCH_USER", "HTTP_TE", "HTTP_TRACEPARENT", "HTTP_TRACESTATE",
	"HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE", "HTTP_UPGRADE_INSECURE_REQUESTS", "HTTP_USER_AGENT", "HTTP_VIA",
	"HTTP_X_CSRF_TOKEN", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT",
	"HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP", "HTTP_X_REQUEST_ID", "HTTP_X_REQUESTED_WITH", "HTTP_X_XSRF_TOKEN",
};

/* Never changed after the engine's start, like all below. */
static HashTable igor_process_environment;
static HashTable igor_names; /* each name as the value of its own text */

static bool igor_filter_is_known; /* the input filter is the one of PHP's extension */

typedef __typeof__(sapi_module.input_filter) igor_input_filter;

static igor_input_filter igor_filter_of_php; /* NULL: the extension has a library of its own, or is not there */
static zend_result (*igor_original_filter_startup)(INIT_FUNC_ARGS);
static __typeof__(php_register_internal_extensions_func) igor_original_internal_extensions_register;

static zif_handler igor_original_filter_has_var;
static zif_handler igor_original_filter_input;
static zif_handler igor_original_filter_input_array;

/* ---- What all requests share ------------------------------------------------------------------------------------ */

static zend_string *igor_shared_string(const char *bytes, size_t len)
{
	zend_string *string = zend_string_init(bytes, len, 1);

	zend_string_hash_val(string);
	GC_ADD_FLAGS(string, IS_STR_INTERNED | IS_STR_PERMANENT);
	return string;
}

static void igor_names_share(void)
{
	const size_t count = sizeof(igor_usual_names) / sizeof(igor_usual_names[0]);
	zval name;
	size_t i;

	zend_hash_init(&igor_names, count, NULL, NULL, 1);
	for (i = 0; i < count; i++) {
		ZVAL_INTERNED_STR(&name, igor_shared_string(igor_usual_names[i], strlen(igor_usual_names[i])));
		zend_hash_update(&igor_names, Z_STR(name), &name);
	}
}

/* PHP reads it, once: in a module that PHP loads, `environ` is not the program's variable. PHP interns the names for the
 * request, so a request must exist. */
static void igor_process_environment_share(void)
{
	zend_string *name;
	zval read, *value, shared;

	array_init(&read);
	php_import_environment_variables(&read);
	zend_hash_init(&igor_process_environment, zend_hash_num_elements(Z_ARRVAL(read)) + IGOR_SERVER_VARIABLES, NULL, NULL, 1);
	ZEND_HASH_FOREACH_STR_KEY_VAL(Z_ARRVAL(read), name, value) {
		if (name != NULL && Z_TYPE_P(value) == IS_STRING) {
			ZVAL_INTERNED_STR(&shared, igor_shared_string(Z_STRVAL_P(value), Z_STRLEN_P(value)));
			zend_hash_update(&igor_process_environment, igor_shared_string(ZSTR_VAL(name), ZSTR_LEN(name)), &shared);
		}
	} ZEND_HASH_FOREACH_END();
	zval_ptr_dtor(&read);
}

static zend_result igor_filter_startup(INIT_FUNC_ARGS)
{
	const igor_input_filter before = sapi_module.input_filter;
	zend_result result = igor_original_filter_startup(INIT_FUNC_ARGS_PASSTHRU);

	if (sapi_module.input_filter != before) {
		igor_filter_of_php = sapi_module.input_filter;
	}
	return result;
}

static __typeof__(php_register_internal_extensions()) igor_internal_extensions_register(void)
{
	__typeof__(php_register_internal_extensions()) result;
	zend_module_entry *module;

	php_register_internal_extensions_func = igor_original_internal_extensions_register;
	result = php_register_internal_extensions_func();
	module = zend_hash_str_find_ptr(&module_registry, ZEND_STRL("filter"));
	if (module != NULL && module->module_startup_func != NULL) {
		igor_original_filter_startup = module->module_startup_func;
		module->module_startup_func = igor_filter_startup;
	}
	return result;
}

/* No symbol names the filter of PHP's extension, and another extension in PHP's library may put its own in its place. So this
 * learns it where the extension does that: PHP calls igor_internal_extensions_register() when it knows its extensions, and
 * has started none. */
void igor_filter_watch(void)
{
	igor_original_internal_extensions_register = php_register_internal_extensions_func;
	php_register_internal_extensions_func = igor_internal_extensions_register;
}

/* Whether the extension's own library, which holds nothing else, has the filter. */
static bool igor_filter_is_in_library_of(const zend_module_entry *module)
{
	Dl_info of_filter, of_module;

	return dladdr((void *) sapi_module.input_filter, &of_filter) != 0
		&& dladdr((void *) module->request_shutdown_func, &of_module) != 0 && of_filter.dli_fbase == of_module.dli_fbase;
}

static void igor_filter_recognise(void)
{
	const zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, ZEND_STRL("filter"));

	if (module == NULL || sapi_module.input_filter == shim_sapi_input_filter) {
		igor_filter_is_known = false;
	} else if (module->handle != NULL) {
		igor_filter_is_known = igor_filter_is_in_library_of(module);
	} else {
		igor_filter_is_known = sapi_module.input_filter == igor_filter_of_php;
	}
}

void igor_server_variables_share(void)
{
	igor_names_share();
	igor_process_environment_share();
	igor_filter_recognise();
}

/* ---- The variables of a request --------------------------------------------------------------------------------- */

/* Whether the input filter may change a variable, so that each must pass through it. PHP's extension filter changes them only
 * if php.ini sets filter.default. */
static bool igor_is_filtered(void)
{
	if (sapi_module.input_filter == shim_sapi_input_filter) {
		return false;
	}
	return !igor_filter_is_known || strcasecmp(zend_ini_string(ZEND_STRL("filter.default"), 0), "unsafe_raw") != 0;
}

/* Whether PHP takes the name as it is. It replaces some bytes, makes arrays of others, and integers of digits. */
static bool igor_name_is_plain(const char *name, size_t len)
{
	size_t i;

	if (len == 0 || name[0] == '-' || (name[0] >= '0' && name[0] <= '9')) {
		return false;
	}
	for (i = 0; i < len; i++) {
		if (name[i] == ' ' || name[i] == '.' || name[i] == '[' || name[i] == '\0') {
			return false;
		}
	}
	return true;
}

/* As with every SAPI: through the input filter, and with a name as PHP makes them. */
static void igor_variable_register(zval *into, const igor_pair *pair)
{
	char *value = (char *) pair->value;
	size_t len = pair->value_len;

	if (sapi_module.input_filter(PARSE_SERVER, pair->name, &value, len, &len)) {
		php_register_variable_safe(pair->name, value, len, into);
	}
}

/* The same for most variables, without what does not change their result. */
static void igor_variable_put(zval *into, const igor_pair *pair)
{
	const zval *usual = zend_hash_str_find(&igor_names, pair->name, pair->name_len);
	zend_string *name;
	zval value;

	if (usual == NULL && !igor_name_is_plain(pair->name, pair->name_len)) {
		igor_variable_register(into, pair);
		return;
	}
	name = usual != NULL ? Z_STR_P(usual) : zend_string_init(pair->name, pair->name_len, 0);
	ZVAL_STRINGL_FAST(&value, pair->value, pair->value_len);
	zend_hash_update(Z_ARRVAL_P(into), name, &value);
	zend_string_release(name);
}

/* Before the variables of the request itself: containers configure applications by it. The array is empty: nothing registers
 * before the SAPI. */
static void igor_environment_put(zval *into)
{
	/* Those that take its place are variables of the request, too. */
	if (igor_environment_is_cleared()) {
		return;
	}
	ZEND_ASSERT(zend_hash_num_elements(Z_ARRVAL_P(into)) == 0);
	zend_array_destroy(Z_ARRVAL_P(into));
	ZVAL_ARR(into, zend_array_dup(&igor_process_environment));
}

/* PHP itself passes its arguments to a script with a process of its own, if register_argc_argv is on. */
static void igor_arguments_put(HashTable *into, const igor_request *request)
{
	zval arguments, count;
	int32_t argument;

	if (request->argc == 0 || request->own_process) {
		return;
	}
	array_init_size(&arguments, request->argc);
	for (argument = 0; argument < request->argc; argument++) {
		add_next_index_string(&arguments, request->argv[argument]);
	}
	ZVAL_LONG(&count, request->argc);
	zend_hash_str_update(into, ZEND_STRL("argv"), &arguments);
	zend_hash_str_update(into, ZEND_STRL("argc"), &count);
}

void shim_sapi_server_variables(struct _zval_struct *into)
{
	const igor_request *request;
	const igor_pair *list = NULL;
	bool is_filtered = igor_is_filtered();
	size_t i, len;

	if (igor_self == NULL) {
		return;
	}
	IGOR_FAULT("server_variables");
	request = &igor_self->request;
	/* As on PHP's command line, because a worker script starts like a program. The environment is read here, under PHP's
	 * lock, and not in Rust: in a module that PHP loads, `environ` is not the program's variable. */
	if (request->own_process || !request->has_job) {
		php_import_environment_variables(into);
	} else {
		igor_environment_put(into);
	}
	len = host_server_vars(igor_self->host, &list);
	for (i = 0; i < len; i++) {
		(is_filtered ? igor_variable_register : igor_variable_put)(into, &list[i]);
	}
	igor_self->raw_waits = igor_filter_is_known && !is_filtered;
	if (igor_self->mode != IGOR_CLASSIC) {
		zval background;

		ZVAL_BOOL(&background, igor_self->mode == IGOR_BACKGROUND);
		zend_hash_str_update(Z_ARRVAL_P(into), ZEND_STRL("FRANKENPHP_WORKER_BACKGROUND"), &background);
	}
	igor_arguments_put(Z_ARRVAL_P(into), request);
}

/* ---- filter_input() and its siblings ----------------------------------------------------------------------------- */

/* Shows the variables of the request to the filter, which keeps them. */
static void igor_raw_keep(igor_thread *self)
{
	zval *shown = &PG(http_globals)[TRACK_VARS_SERVER], kept;
	const igor_pair *list = NULL;
	size_t i, len;

	self->raw_waits = false;
	/* Between two requests an HTTP worker has none. */
	if (self->handled && !self->has_job) {
		return;
	}
	len = host_server_vars(self->host, &list);
	/* The filter puts each into $_SERVER as well, which the script may have changed: it gets another array. */
	ZVAL_COPY_VALUE(&kept, shown);
	array_init_size(shown, (uint32_t) len);
	for (i = 0; i < len; i++) {
		igor_variable_register(shown, &list[i]);
	}
	zval_ptr_dtor(shown);
	ZVAL_COPY_VALUE(shown, &kept);
}

/* The first argument says which input is read. */
static void igor_raw_expect(const zend_execute_data *execute_data)
{
	const zval *input = ZEND_NUM_ARGS() > 0 ? ZEND_CALL_ARG(execute_data, 1) : NULL;

	if (igor_self == NULL || input == NULL || (Z_TYPE_P(input) == IS_LONG && Z_LVAL_P(input) != PARSE_SERVER)) {
		return;
	}
	zend_is_auto_global(ZSTR_KNOWN(ZEND_STR_AUTOGLOBAL_SERVER));
	if (igor_self->raw_waits) {
		igor_raw_keep(igor_self);
	}
}

#define IGOR_FILTER_FUNCTIONS(X) X(filter_has_var) X(filter_input) X(filter_input_array)

#define IGOR_FILTER_HANDLER(function) \
	static ZEND_NAMED_FUNCTION(igor_##function) \
	{ \
		igor_raw_expect(execute_data); \
		igor_original_##function(INTERNAL_FUNCTION_PARAM_PASSTHRU); \
	}

IGOR_FILTER_FUNCTIONS(IGOR_FILTER_HANDLER)

#define IGOR_FILTER_REPLACE(function) igor_original_##function = igor_replace_function(#function, igor_##function);

void igor_server_variables_install(void)
{
	IGOR_FILTER_FUNCTIONS(IGOR_FILTER_REPLACE)
}
