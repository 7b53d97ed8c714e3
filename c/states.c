/* Saves and restores each state that a request of an HTTP worker can change. reset.c decides when. */
#include "states.h"

#include <php_streams.h>
#include <zend_llist.h>
#include <ext/standard/basic_functions.h>
#include <ext/standard/file.h>

#include <locale.h>
#include <string.h>

/* ---- Calls of PHP's own functions ----------------------------------------------------------------------------- */

/* Calls a function of PHP by its name; false when it does not exist (an extension that is not loaded, disable_functions). */
bool igor_call(const char *name, zval *result, uint32_t count, zval *arguments)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), name, strlen(name));

	ZVAL_UNDEF(result);
	if (function == NULL) {
		return false;
	}
	zend_call_known_function(function, NULL, NULL, result, count, arguments, NULL);
	return true;
}

void igor_call_for_effect(const char *name, uint32_t count, zval *arguments)
{
	zval result;

	if (igor_call(name, &result, count, arguments)) {
		zval_ptr_dtor(&result);
	}
}

/* The request's module functions, as PHP calls them at its own end and start. Both are optional. */
void igor_module_end(const char *name)
{
	zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, name, strlen(name));

	if (module != NULL && module->request_shutdown_func != NULL) {
		module->request_shutdown_func(module->type, module->module_number);
	}
}

void igor_module_start(const char *name)
{
	zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, name, strlen(name));

	if (module != NULL && module->request_startup_func != NULL) {
		module->request_startup_func(module->type, module->module_number);
	}
}

/* The first member of a module's globals on this thread: for modules whose own headers a build may not have. */
void *igor_module_globals(const char *name)
{
	zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, name, strlen(name));

	return module != NULL && module->globals_id_ptr != NULL && *module->globals_id_ptr != 0
		? ts_resource(*module->globals_id_ptr) : NULL;
}

/* Resets a module's globals on this thread to their state before the thread's first script. */
void igor_module_renew(const char *name)
{
	zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, name, strlen(name));
	void *globals = igor_module_globals(name);

	if (globals != NULL && module->globals_ctor != NULL) {
		module->globals_ctor(globals);
	}
}

/* ---- The script's error handler --------------------------------------------------------------------------------- */

/* Hides the script's error handler, as set_error_handler(null) would. PHP's own work follows, and a classic script would
 * not see its errors either. They are logged. */
int igor_error_handler_hide(void)
{
	int depth = EG(user_error_handlers).top;

	zend_stack_push(&EG(user_error_handlers_error_reporting), &EG(user_error_handler_error_reporting));
	zend_stack_push(&EG(user_error_handlers), &EG(user_error_handler));
	ZVAL_UNDEF(&EG(user_error_handler));
	return depth;
}

/* Restores it, even if user code has set others and left them. */
void igor_error_handler_show(int depth)
{
	while (EG(user_error_handlers).top > depth) {
		zval leaving;

		ZVAL_COPY_VALUE(&leaving, &EG(user_error_handler));
		ZVAL_UNDEF(&EG(user_error_handler));
		zval_ptr_dtor(&leaving);
		EG(user_error_handler_error_reporting) = zend_stack_int_top(&EG(user_error_handlers_error_reporting));
		zend_stack_del_top(&EG(user_error_handlers_error_reporting));
		ZVAL_COPY_VALUE(&EG(user_error_handler), (zval *) zend_stack_top(&EG(user_error_handlers)));
		zend_stack_del_top(&EG(user_error_handlers));
	}
}

/* ---- What is saved of each state, and how it is restored ---------------------------------------------------------- */

/* A state that PHP's functions can read and write. */
#define IGOR_BY_FUNCTIONS(state, getter, setter) \
	void igor_keep_##state(zval *before) \
	{ \
		igor_call(getter, before, 0, NULL); \
	} \
	void igor_put_back_##state(zval *before) \
	{ \
		if (Z_TYPE_P(before) != IS_UNDEF && (Z_TYPE_P(before) != IS_FALSE || igor_false_is_a_value(#state))) { \
			igor_call_for_effect(setter, 1, before); \
		} \
	}

/* Getters return false when there is nothing to read, but one is a switch. */
static bool igor_false_is_a_value(const char *state)
{
	return strcmp(state, "libxml_errors") == 0 || strcmp(state, "async_signals") == 0;
}

IGOR_BY_FUNCTIONS(async_signals, "pcntl_async_signals", "pcntl_async_signals")
IGOR_BY_FUNCTIONS(autoload_extensions, "spl_autoload_extensions", "spl_autoload_extensions")
IGOR_BY_FUNCTIONS(directory, "getcwd", "chdir")
IGOR_BY_FUNCTIONS(libxml_errors, "libxml_use_internal_errors", "libxml_use_internal_errors")
IGOR_BY_FUNCTIONS(libxml_loader, "libxml_get_external_entity_loader", "libxml_set_external_entity_loader")
IGOR_BY_FUNCTIONS(mb_detect_order, "mb_detect_order", "mb_detect_order")
IGOR_BY_FUNCTIONS(mb_http_output, "mb_http_output", "mb_http_output")
IGOR_BY_FUNCTIONS(mb_internal_encoding, "mb_internal_encoding", "mb_internal_encoding")
IGOR_BY_FUNCTIONS(mb_regex_encoding, "mb_regex_encoding", "mb_regex_encoding")
IGOR_BY_FUNCTIONS(mb_regex_options, "mb_regex_set_options", "mb_regex_set_options")
IGOR_BY_FUNCTIONS(mb_substitute, "mb_substitute_character", "mb_substitute_character")
IGOR_BY_FUNCTIONS(time_zone, "date_default_timezone_get", "date_default_timezone_set")
IGOR_BY_FUNCTIONS(umask, "umask", "umask")

void igor_keep_nothing(zval *before)
{
	ZVAL_NULL(before);
}

/* The C library's locale, as one string for all categories, and PHP's copy of the category for characters. */
void igor_keep_locale(zval *before)
{
	const char *all = setlocale(LC_ALL, NULL);

	array_init_size(before, 2);
	add_next_index_string(before, all != NULL ? all : "C");
	if (BG(ctype_string) != NULL) {
		add_next_index_str(before, zend_string_copy(BG(ctype_string)));
	}
}

void igor_put_back_locale(zval *before)
{
	zval *all = zend_hash_index_find(Z_ARRVAL_P(before), 0), *ctype = zend_hash_index_find(Z_ARRVAL_P(before), 1);

	setlocale(LC_ALL, Z_STRVAL_P(all));
	zend_update_current_locale();
	if (BG(ctype_string) != NULL) {
		zend_string_release(BG(ctype_string));
	}
	BG(ctype_string) = ctype != NULL ? zend_string_copy(Z_STR_P(ctype)) : NULL;
}

/* Only the options: an open stream holds a context of its own. */
void igor_keep_context(zval *before)
{
	if (FG(default_context) == NULL) {
		ZVAL_NULL(before);
	} else {
		ZVAL_ARR(before, zend_array_dup(Z_ARRVAL(FG(default_context)->options)));
	}
}

void igor_put_back_context(zval *before)
{
	php_stream_context *context = FG(default_context);

	if (context == NULL) {
		return;
	}
	if (Z_TYPE_P(before) == IS_NULL) {
		FG(default_context) = NULL;
		zend_list_delete(context->res);
		return;
	}
	if (context->notifier != NULL) {
		php_stream_notification_free(context->notifier);
		context->notifier = NULL;
	}
	zval_ptr_dtor(&context->options);
	ZVAL_COPY(&context->options, before);
}

/* The registration of a wrapper that is a class: a resource whose pointer is the wrapper. */
static bool igor_is_in(HashTable *wrappers, const void *wrapper)
{
	void *other;

	if (wrappers != NULL) {
		ZEND_HASH_FOREACH_PTR(wrappers, other) {
			if (other == wrapper) {
				return true;
			}
		} ZEND_HASH_FOREACH_END();
	}
	return false;
}

/* A copy of the table; its classes' registrations are held, because unregistering one frees it. NULL: PHP's own wrappers.
 * */
void igor_keep_wrappers(zval *before)
{
	int type = zend_fetch_list_dtor_id("stream factory");
	zend_resource *registration;
	HashTable *copy;

	if (FG(stream_wrappers) == NULL) {
		ZVAL_NULL(before);
		return;
	}
	ALLOC_HASHTABLE(copy);
	zend_hash_init(copy, zend_hash_num_elements(FG(stream_wrappers)), NULL, NULL, 0);
	zend_hash_copy(copy, FG(stream_wrappers), NULL);
	ZEND_HASH_FOREACH_PTR(&EG(regular_list), registration) {
		if (registration->type == type && igor_is_in(copy, registration->ptr)) {
			GC_ADDREF(registration);
		}
	} ZEND_HASH_FOREACH_END();
	ZVAL_PTR(before, copy);
}

void igor_put_back_wrappers(zval *before)
{
	HashTable *now = FG(stream_wrappers), *then = Z_TYPE_P(before) == IS_PTR ? Z_PTR_P(before) : NULL;
	int type = zend_fetch_list_dtor_id("stream factory");
	zend_resource *registration;

	FG(stream_wrappers) = then;
	/* Each registered one has one reference for that, in addition to those of its open streams. */
	ZEND_HASH_FOREACH_PTR(&EG(regular_list), registration) {
		if (registration->type == type && igor_is_in(now, registration->ptr)) {
			zend_list_delete(registration);
		}
	} ZEND_HASH_FOREACH_END();
	if (now != NULL) {
		zend_hash_destroy(now);
		FREE_HASHTABLE(now);
	}
	/* PHP now owns the table. */
	ZVAL_NULL(before);
}

/* The script ends in the request: its shutdown functions may still use what it has registered. */
void igor_drop_wrappers(zval *before)
{
	HashTable *then = Z_TYPE_P(before) == IS_PTR ? Z_PTR_P(before) : NULL;
	int type = zend_fetch_list_dtor_id("stream factory");
	zend_resource *registration;

	if (then == NULL) {
		return;
	}
	ZEND_HASH_FOREACH_PTR(&EG(regular_list), registration) {
		if (registration->type == type && igor_is_in(then, registration->ptr)) {
			zend_list_delete(registration);
		}
	} ZEND_HASH_FOREACH_END();
	zend_hash_destroy(then);
	FREE_HASHTABLE(then);
	ZVAL_NULL(before);
}

/* Filters can only be added. */
void igor_keep_filters(zval *before)
{
	ZVAL_LONG(before, BG(user_filter_map) != NULL ? zend_hash_num_elements(BG(user_filter_map)) : 0);
}

void igor_put_back_filters(zval *before)
{
	while (BG(user_filter_map) != NULL && zend_hash_num_elements(BG(user_filter_map)) > Z_LVAL_P(before)) {
		HashPosition last;
		zend_string *name;
		zend_ulong index;

		zend_hash_internal_pointer_end_ex(BG(user_filter_map), &last);
		zend_hash_get_current_key_ex(BG(user_filter_map), &name, &index, &last);
		zend_string_addref(name);
		zend_hash_del(FG(stream_filters), name);
		zend_hash_del(BG(user_filter_map), name);
		zend_string_release(name);
	}
}

void igor_keep_ticks(zval *before)
{
	ZVAL_LONG(before, BG(user_tick_functions) != NULL ? (zend_long) zend_llist_count(BG(user_tick_functions)) : 0);
}

void igor_put_back_ticks(zval *before)
{
	while (BG(user_tick_functions) != NULL && (zend_long) zend_llist_count(BG(user_tick_functions)) > Z_LVAL_P(before)) {
		zend_llist_remove_tail(BG(user_tick_functions));
	}
}

/* With a seed from one client's request, that client could predict the random numbers of the next request. */
void igor_put_back_seed(zval *before)
{
	(void) before;
	igor_module_start("random");
}

void igor_put_back_syslog(zval *before)
{
	(void) before;
	igor_call_for_effect("closelog", 0, NULL);
}

/* A search that finds nothing clears the text and pattern of the last search. */
void igor_put_back_mb_search(zval *before)
{
	zval nothing[2];

	(void) before;
	ZVAL_EMPTY_STRING(&nothing[0]);
	ZVAL_STRING(&nothing[1], "(?!)");
	igor_call_for_effect("mb_ereg_search_init", 2, nothing);
	zval_ptr_dtor(&nothing[1]);
}

/* Setting the directive to its own value drops the callback that a function has set. */
void igor_put_back_assertion(zval *before)
{
	zend_string *name = ZSTR_INIT_LITERAL("assert.callback", 0);
	zend_string *value = zend_ini_get_value(name);

	(void) before;
	value = value != NULL ? zend_string_copy(value) : zend_empty_string;
	zend_alter_ini_entry(name, value, PHP_INI_USER, PHP_INI_STAGE_RUNTIME);
	zend_string_release(value);
	zend_string_release(name);
}

/* The first member of the module's globals, whose type is in a header that needs libxml's own. */
void igor_keep_xml_context(zval *before)
{
	zval *context = igor_module_globals("libxml");

	ZVAL_UNDEF(before);
	if (context != NULL) {
		ZVAL_COPY(before, context);
	}
}

void igor_put_back_xml_context(zval *before)
{
	zval *context = igor_module_globals("libxml");

	if (context != NULL) {
		zval_ptr_dtor(context);
		ZVAL_COPY_VALUE(context, before);
		ZVAL_UNDEF(before);
	}
}

/* The switch can only be read by setting it, which PHP reports as deprecated. The script's handler must not see that. */
void igor_keep_libxml_disabled(zval *before)
{
	int depth = igor_error_handler_hide(), reporting = EG(error_reporting);
	zval off;

	ZVAL_FALSE(&off);
	EG(error_reporting) = 0;
	igor_call("libxml_disable_entity_loader", before, 1, &off);
	EG(error_reporting) = reporting;
	igor_error_handler_show(depth);
}

void igor_put_back_libxml_disabled(zval *before)
{
	igor_call_for_effect("libxml_disable_entity_loader", 1, before);
}

/* The report mode of mysqli, which no function can read. */
void igor_keep_mysqli_report(zval *before)
{
	zend_class_entry *class = zend_hash_str_find_ptr(CG(class_table), ZEND_STRL("mysqli_driver"));
	zval driver, room, *mode;

	ZVAL_NULL(before);
	if (class == NULL || object_init_ex(&driver, class) == FAILURE) {
		return;
	}
	mode = zend_read_property(class, Z_OBJ(driver), ZEND_STRL("report_mode"), true, &room);
	ZVAL_LONG(before, zval_get_long(mode));
	zval_ptr_dtor(&driver);
}

void igor_put_back_mysqli_report(zval *before)
{
	if (Z_TYPE_P(before) == IS_LONG) {
		igor_call_for_effect("mysqli_report", 1, before);
	}
}

/* The folder that readdir() reads without an argument is the last one that was opened, until that is closed. */
void igor_put_back_folder(zval *before)
{
	zval name, folder;

	(void) before;
	ZVAL_STRING(&name, ".");
	if (igor_call("opendir", &folder, 1, &name)) {
		if (Z_TYPE(folder) == IS_RESOURCE) {
			igor_call_for_effect("closedir", 1, &folder);
		}
		zval_ptr_dtor(&folder);
	}
	zval_ptr_dtor(&name);
}
