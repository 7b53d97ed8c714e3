/* What a request of an HTTP worker changes outside of its own variables, and what becomes of it when the request ends: the
 * table is in docs/http-workers.md.
 *
 * A worker script is one PHP request for its whole life, so PHP itself sets nothing back between two HTTP requests. Most of
 * that state can only be changed by a few functions. Their handlers are replaced by ones that first keep the value of
 * before, at the first call of a request; the end of the request puts it back. So what the script set up before its loop
 * stays, and a request that calls none of them pays nothing. What has no such function is cleared each time. */
#include "internal.h"

#include <php_output.h>
#include <php_streams.h>
#include <zend_exceptions.h>
#include <zend_llist.h>
#include <zend_smart_str.h>
#include <ext/json/php_json.h>
#include <ext/pcre/php_pcre.h>
#include <ext/standard/basic_functions.h>
#include <ext/standard/file.h>
#include <ext/standard/url_scanner_ex.h>

#include <locale.h>
#include <string.h>

/* ---- Calls of PHP's own functions ----------------------------------------------------------------------------- */

/* Calls a function of PHP by its name; false when it is not there (an extension that is not loaded, disable_functions). */
static bool igor_call(const char *name, zval *result, uint32_t count, zval *arguments)
{
	zend_function *function = zend_hash_str_find_ptr(CG(function_table), name, strlen(name));

	ZVAL_UNDEF(result);
	if (function == NULL) {
		return false;
	}
	zend_call_known_function(function, NULL, NULL, result, count, arguments, NULL);
	return true;
}

static void igor_call_for_effect(const char *name, uint32_t count, zval *arguments)
{
	zval result;

	if (igor_call(name, &result, count, arguments)) {
		zval_ptr_dtor(&result);
	}
}

/* The request's module functions, as PHP calls them at its own end and start. Both are optional. */
static void igor_module_end(const char *name)
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
static void *igor_module_globals(const char *name)
{
	zend_module_entry *module = zend_hash_str_find_ptr(&module_registry, name, strlen(name));

	return module != NULL && module->globals_id_ptr != NULL && *module->globals_id_ptr != 0
		? ts_resource(*module->globals_id_ptr) : NULL;
}

/* ---- What is kept of each state, and how it is put back ---------------------------------------------------------- */

/* A state that PHP's functions can read and write. */
#define IGOR_BY_FUNCTIONS(state, getter, setter) \
	static void igor_keep_##state(zval *before) \
	{ \
		igor_call(getter, before, 0, NULL); \
	} \
	static void igor_put_back_##state(zval *before) \
	{ \
		if (Z_TYPE_P(before) != IS_UNDEF && (Z_TYPE_P(before) != IS_FALSE || igor_false_is_a_value(#state))) { \
			igor_call_for_effect(setter, 1, before); \
		} \
	}

/* Getters give false when there is nothing to read, but one is a switch. */
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

static void igor_keep_nothing(zval *before)
{
	ZVAL_NULL(before);
}

/* The C library's locale as it names all categories at once, and what PHP keeps of the one of characters. */
static void igor_keep_locale(zval *before)
{
	const char *all = setlocale(LC_ALL, NULL);

	array_init_size(before, 2);
	add_next_index_string(before, all != NULL ? all : "C");
	if (BG(ctype_string) != NULL) {
		add_next_index_str(before, zend_string_copy(BG(ctype_string)));
	}
}

static void igor_put_back_locale(zval *before)
{
	zval *all = zend_hash_index_find(Z_ARRVAL_P(before), 0), *ctype = zend_hash_index_find(Z_ARRVAL_P(before), 1);

	setlocale(LC_ALL, Z_STRVAL_P(all));
	zend_update_current_locale();
	if (BG(ctype_string) != NULL) {
		zend_string_release(BG(ctype_string));
	}
	BG(ctype_string) = ctype != NULL ? zend_string_copy(Z_STR_P(ctype)) : NULL;
}

/* The options alone: what a stream was opened with holds a context of its own. */
static void igor_keep_context(zval *before)
{
	if (FG(default_context) == NULL) {
		ZVAL_NULL(before);
	} else {
		ZVAL_ARR(before, zend_array_dup(Z_ARRVAL(FG(default_context)->options)));
	}
}

static void igor_put_back_context(zval *before)
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

/* A copy of the table; its classes' registrations are held, for unregistering one frees it. NULL: PHP's own wrappers. */
static void igor_keep_wrappers(zval *before)
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

static void igor_put_back_wrappers(zval *before)
{
	HashTable *now = FG(stream_wrappers), *then = Z_TYPE_P(before) == IS_PTR ? Z_PTR_P(before) : NULL;
	int type = zend_fetch_list_dtor_id("stream factory");
	zend_resource *registration;

	FG(stream_wrappers) = then;
	/* Each that is registered has one reference for that, beside those of its open streams. */
	ZEND_HASH_FOREACH_PTR(&EG(regular_list), registration) {
		if (registration->type == type && igor_is_in(now, registration->ptr)) {
			zend_list_delete(registration);
		}
	} ZEND_HASH_FOREACH_END();
	if (now != NULL) {
		zend_hash_destroy(now);
		FREE_HASHTABLE(now);
	}
	/* The table belongs to PHP now. */
	ZVAL_NULL(before);
}

/* The script ends in the request: its shutdown functions may still use what it has registered. */
static void igor_drop_wrappers(zval *before)
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
static void igor_keep_filters(zval *before)
{
	ZVAL_LONG(before, BG(user_filter_map) != NULL ? zend_hash_num_elements(BG(user_filter_map)) : 0);
}

static void igor_put_back_filters(zval *before)
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

static void igor_keep_ticks(zval *before)
{
	ZVAL_LONG(before, BG(user_tick_functions) != NULL ? (zend_long) zend_llist_count(BG(user_tick_functions)) : 0);
}

static void igor_put_back_ticks(zval *before)
{
	while (BG(user_tick_functions) != NULL && (zend_long) zend_llist_count(BG(user_tick_functions)) > Z_LVAL_P(before)) {
		zend_llist_remove_tail(BG(user_tick_functions));
	}
}

/* A seed that one client's request has set would let it foresee what the next one's draws. */
static void igor_put_back_seed(zval *before)
{
	(void) before;
	igor_module_start("random");
}

static void igor_put_back_syslog(zval *before)
{
	(void) before;
	igor_call_for_effect("closelog", 0, NULL);
}

static void igor_put_back_mb_search(zval *before)
{
	ZVAL_EMPTY_STRING(before);
	igor_call_for_effect("mb_ereg_search_init", 1, before);
}

/* Setting the directive, to what it is, drops the callback that a function has set. */
static void igor_put_back_assertion(zval *before)
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
static void igor_keep_xml_context(zval *before)
{
	zval *context = igor_module_globals("libxml");

	ZVAL_UNDEF(before);
	if (context != NULL) {
		ZVAL_COPY(before, context);
	}
}

static void igor_put_back_xml_context(zval *before)
{
	zval *context = igor_module_globals("libxml");

	if (context != NULL) {
		zval_ptr_dtor(context);
		ZVAL_COPY_VALUE(context, before);
		ZVAL_UNDEF(before);
	}
}

/* ---- The functions --------------------------------------------------------------------------------------------- */

#define IGOR_STATES(X) \
	X(assertion, igor_keep_nothing) \
	X(async_signals, igor_keep_async_signals) \
	X(autoload_extensions, igor_keep_autoload_extensions) \
	X(context, igor_keep_context) \
	X(directory, igor_keep_directory) \
	X(filters, igor_keep_filters) \
	X(libxml_errors, igor_keep_libxml_errors) \
	X(libxml_loader, igor_keep_libxml_loader) \
	X(locale, igor_keep_locale) \
	X(mb_detect_order, igor_keep_mb_detect_order) \
	X(mb_http_output, igor_keep_mb_http_output) \
	X(mb_internal_encoding, igor_keep_mb_internal_encoding) \
	X(mb_regex_encoding, igor_keep_mb_regex_encoding) \
	X(mb_regex_options, igor_keep_mb_regex_options) \
	X(mb_search, igor_keep_nothing) \
	X(mb_substitute, igor_keep_mb_substitute) \
	X(seed, igor_keep_nothing) \
	X(syslog, igor_keep_nothing) \
	X(ticks, igor_keep_ticks) \
	X(time_zone, igor_keep_time_zone) \
	X(umask, igor_keep_umask) \
	X(wrappers, igor_keep_wrappers) \
	X(xml_context, igor_keep_xml_context)

/* A function, and the state that it changes. */
#define IGOR_CHANGES(X) \
	X(assert_options, assertion) \
	X(chdir, directory) \
	X(date_default_timezone_set, time_zone) \
	X(libxml_set_external_entity_loader, libxml_loader) \
	X(libxml_set_streams_context, xml_context) \
	X(libxml_use_internal_errors, libxml_errors) \
	X(mb_detect_order, mb_detect_order) \
	X(mb_ereg_search_init, mb_search) \
	X(mb_http_output, mb_http_output) \
	X(mb_internal_encoding, mb_internal_encoding) \
	X(mb_regex_encoding, mb_regex_encoding) \
	X(mb_regex_set_options, mb_regex_options) \
	X(mb_substitute_character, mb_substitute) \
	X(mt_srand, seed) \
	X(openlog, syslog) \
	X(pcntl_async_signals, async_signals) \
	X(register_tick_function, ticks) \
	X(setlocale, locale) \
	X(spl_autoload_extensions, autoload_extensions) \
	X(srand, seed) \
	X(stream_context_get_default, context) \
	X(stream_context_set_default, context) \
	X(stream_filter_register, filters) \
	X(stream_wrapper_register, wrappers) \
	X(stream_wrapper_restore, wrappers) \
	X(stream_wrapper_unregister, wrappers) \
	X(umask, umask)

#define IGOR_STATE_NUMBER(state, keep) IGOR_STATE_##state,
typedef enum { IGOR_STATES(IGOR_STATE_NUMBER) IGOR_STATE_COUNT } igor_state;

_Static_assert(IGOR_STATE_COUNT <= IGOR_RESET_STATES, "igor_thread has a place for each state");

#define IGOR_STATE_ENTRY(state, keep) {keep, igor_put_back_##state},
static const struct {
	void (*keep)(zval *before);
	void (*put_back)(zval *before);
} igor_states[] = {IGOR_STATES(IGOR_STATE_ENTRY)};

/* Called before a function changes the state: the first call of a request keeps what was. A call without arguments only
 * reads. */
static void igor_touch(const zend_execute_data *execute_data, igor_state state)
{
	igor_thread *self = igor_self;

	if (self == NULL || !self->resets || !self->has_job || (self->touched & (1u << state)) != 0
		|| (ZEND_NUM_ARGS() == 0 && state != IGOR_STATE_seed && state != IGOR_STATE_context)) {
		return;
	}
	/* First, for a state's getter may be the same function. */
	self->touched |= 1u << state;
	ZVAL_UNDEF(&self->before[state]);
	igor_states[state].keep(&self->before[state]);
}

#define IGOR_HANDLER(function, state) \
	static zif_handler igor_original_##function; \
	static ZEND_NAMED_FUNCTION(igor_resetting_##function) \
	{ \
		igor_touch(execute_data, IGOR_STATE_##state); \
		igor_original_##function(INTERNAL_FUNCTION_PARAM_PASSTHRU); \
	}

IGOR_CHANGES(IGOR_HANDLER)

#define IGOR_INSTALL(function, state) \
	igor_original_##function = igor_replace_function(#function, igor_resetting_##function);

void igor_reset_install(void)
{
	IGOR_CHANGES(IGOR_INSTALL)
}

/* ---- Between requests ------------------------------------------------------------------------------------------ */

/* Hides the script's error handler, as set_error_handler(null) would: what follows is PHP's own work, of which a classic
 * script would not see the errors either. They are logged. */
int igor_error_handler_hide(void)
{
	int depth = EG(user_error_handlers).top;

	zend_stack_push(&EG(user_error_handlers_error_reporting), &EG(user_error_handler_error_reporting));
	zend_stack_push(&EG(user_error_handlers), &EG(user_error_handler));
	ZVAL_UNDEF(&EG(user_error_handler));
	return depth;
}

/* Puts it back, also where user code has set others and left them. */
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

/* What is added to each link of a page: variables of the script, or the client's session, with session.use_trans_sid. */
static void igor_forget_links(url_adapt_state_ex_t *links)
{
	if (links->active) {
		smart_str_free(&links->result);
		smart_str_free(&links->buf);
		smart_str_free(&links->tag);
		smart_str_free(&links->arg);
		smart_str_free(&links->attr_val);
	}
	smart_str_free(&links->form_app);
	smart_str_free(&links->url_app);
	links->active = 0;
	links->tag_type = 0;
	links->attr_type = 0;
}

static void igor_forget_values(void)
{
	int *socket_error = igor_module_globals("sockets");

	if (BG(strtok_string) != NULL) {
		zend_string_release(BG(strtok_string));
		BG(strtok_string) = NULL;
		BG(strtok_last) = NULL;
	}
#if IGOR_HAS_LAST_HTTP_HEADERS
	zval_ptr_dtor(&BG(last_http_headers));
	ZVAL_UNDEF(&BG(last_http_headers));
#endif
	igor_forget_links(&BG(url_adapt_output_ex));
	igor_forget_links(&BG(url_adapt_session_ex));
	IGOR_JSON_ERROR_FORGET();
	PCRE_G(error_code) = PHP_PCRE_NO_ERROR;
	if (socket_error != NULL) {
		*socket_error = 0;
	}
	igor_module_end("zlib");
	igor_module_end("intl");
	igor_call_for_effect("libxml_clear_errors", 0, NULL);
#if IGOR_HAS_STREAM_ERRORS
	igor_call_for_effect("stream_clear_errors", 0, NULL);
#endif
}

/* Where no function asked for it, the default context is PHP's own, with what its wrappers have noted in it. */
static void igor_forget_context(const igor_thread *self)
{
	zval none;

	if (!self->boot_context) {
		ZVAL_NULL(&none);
		igor_put_back_context(&none);
	}
}

/* The script has come to its first frankenphp_handle_request(): what it has set up is what each request begins with. */
void igor_reset_begin(igor_thread *self)
{
	self->resets = true;
	self->boot_context = FG(default_context) != NULL;
}

/* The end of a request. The script's error handler sees none of it, and nothing of it is displayed. */
void igor_reset(igor_thread *self)
{
	int depth = igor_error_handler_hide(), reporting = EG(error_reporting);
	uint32_t state;

	EG(error_reporting) = 0;
	for (state = 0; state < IGOR_STATE_COUNT; state++) {
		if ((self->touched & (1u << state)) != 0) {
			igor_states[state].put_back(&self->before[state]);
			zval_ptr_dtor(&self->before[state]);
			ZVAL_UNDEF(&self->before[state]);
		}
	}
	/* Only now: putting back calls the functions that note it. */
	self->touched = 0;
	igor_forget_values();
	igor_forget_context(self);
	EG(error_reporting) = reporting;
	igor_error_handler_show(depth);
}

/* The script ends: PHP puts back the rest itself. */
void igor_reset_end(igor_thread *self)
{
	uint32_t state;

	self->resets = false;
	for (state = 0; state < IGOR_STATE_COUNT; state++) {
		if ((self->touched & (1u << state)) == 0) {
			continue;
		}
		if (state == IGOR_STATE_wrappers) {
			igor_drop_wrappers(&self->before[state]);
		}
		zval_ptr_dtor(&self->before[state]);
	}
	self->touched = 0;
}
