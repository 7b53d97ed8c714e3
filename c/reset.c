/* Resets the state that a request of an HTTP worker has changed outside of its own variables. docs/http-workers.md has the
 * table.
 *
 * A worker script is one PHP request for its whole life, so PHP itself resets nothing between two HTTP requests. Only a few
 * functions can change most of that state. Their handlers are replaced: at the first call of a request, the new handler
 * saves the old value, and the end of the request restores it. So the state that the script set before its loop stays, and
 * a request that calls none of these functions pays nothing. State without such a function is cleared after every request. */
#include "states.h"

#include <php_output.h>
#include <zend_exceptions.h>
#include <zend_smart_str.h>
#include <ext/json/php_json.h>
#include <ext/pcre/php_pcre.h>
#include <ext/standard/basic_functions.h>
#include <ext/standard/file.h>
#include <ext/standard/url_scanner_ex.h>

/* ---- The functions --------------------------------------------------------------------------------------------- */

/* A function, and the state that it changes. */
#define IGOR_CHANGES(X) \
	X(assert_options, assertion) \
	X(chdir, directory) \
	X(date_default_timezone_set, time_zone) \
	X(dir, folder) \
	X(libxml_disable_entity_loader, libxml_disabled) \
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
	X(mysqli_report, mysqli_report) \
	X(opendir, folder) \
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

#define IGOR_STATE_ENTRY(state, keep) {keep, igor_put_back_##state},
static const struct {
	void (*keep)(zval *before);
	void (*put_back)(zval *before);
} igor_states[] = {IGOR_STATES(IGOR_STATE_ENTRY)};

/* Called before a function changes the state: the first call of a request saves the old value. A call without arguments
 * only reads. */
static void igor_touch(const zend_execute_data *execute_data, igor_state state)
{
	igor_thread *self = igor_self;

	if (self == NULL || !self->resets || !self->has_job || (self->touched & (1u << state)) != 0
		|| (ZEND_NUM_ARGS() == 0 && state != IGOR_STATE_seed && state != IGOR_STATE_context)) {
		return;
	}
	/* First, because a state's getter may be the same function. */
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

/* The variables that are added to each link of a page: the script's own, or the client's session, with
 * session.use_trans_sid. */
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

/* The errors of the last date that PHP could not parse. Parsing a valid date clears them. */
static void igor_forget_date_errors(void)
{
	zval errors;

	if (igor_call("date_get_last_errors", &errors, 0, NULL)) {
		if (Z_TYPE(errors) == IS_ARRAY) {
			igor_call_for_effect("date_create", 0, NULL);
		}
		zval_ptr_dtor(&errors);
	}
}

/* The module's own shutdown and startup functions clear it, and the script's settings of what it reports. */
static void igor_forget_mysqli_error(void)
{
	zval number, mode;

	if (igor_call("mysqli_connect_errno", &number, 0, NULL) && Z_TYPE(number) == IS_LONG && Z_LVAL(number) != 0) {
		igor_keep_mysqli_report(&mode);
		igor_module_end("mysqli");
		igor_module_start("mysqli");
		igor_put_back_mysqli_report(&mode);
	}
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
	igor_forget_date_errors();
	igor_forget_mysqli_error();
#if IGOR_HAS_STREAM_ERRORS
	igor_call_for_effect("stream_clear_errors", 0, NULL);
#endif
}

/* If no function asked for it, the default context is PHP's own, with the notes of its wrappers. */
static void igor_forget_context(const igor_thread *self)
{
	zval none;

	if (!self->boot_context) {
		ZVAL_NULL(&none);
		igor_put_back_context(&none);
	}
}

/* The script has reached its first frankenphp_handle_request(). Each request starts with the state of this moment. */
void igor_reset_begin(igor_thread *self)
{
	self->resets = true;
	self->boot_context = FG(default_context) != NULL;
}

/* The end of a request. The script's error handler does not see the errors in here, and none is displayed. */
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
	/* Only now, because restoring calls the functions that save it. */
	self->touched = 0;
	igor_forget_values();
	igor_forget_context(self);
	EG(error_reporting) = reporting;
	igor_error_handler_show(depth);
}

/* The script ends: PHP restores the rest itself. */
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
