/* The states of PHP that a request of an HTTP worker can change: each is kept at the first change of a request, and put back
 * when the request ends. */
#ifndef IGOR_STATES_H
#define IGOR_STATES_H

#include "internal.h"

/* A state, and the function that keeps it. They are restored in this order: the wrappers first, because opening a folder
 * needs the wrapper of files. */
#define IGOR_STATES(X) \
	X(wrappers, igor_keep_wrappers) \
	X(assertion, igor_keep_nothing) \
	X(async_signals, igor_keep_async_signals) \
	X(autoload_extensions, igor_keep_autoload_extensions) \
	X(context, igor_keep_context) \
	X(directory, igor_keep_directory) \
	X(filters, igor_keep_filters) \
	X(folder, igor_keep_nothing) \
	X(libxml_disabled, igor_keep_libxml_disabled) \
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
	X(mysqli_report, igor_keep_mysqli_report) \
	X(seed, igor_keep_nothing) \
	X(syslog, igor_keep_nothing) \
	X(ticks, igor_keep_ticks) \
	X(time_zone, igor_keep_time_zone) \
	X(umask, igor_keep_umask) \
	X(xml_context, igor_keep_xml_context)

#define IGOR_STATE_NUMBER(state, keep) IGOR_STATE_##state,
typedef enum { IGOR_STATES(IGOR_STATE_NUMBER) IGOR_STATE_COUNT } igor_state;

_Static_assert(IGOR_STATE_COUNT <= IGOR_RESET_STATES, "igor_thread has a place for each state");

#define IGOR_STATE_FUNCTIONS(state, keep) void keep(zval *before); void igor_put_back_##state(zval *before);
IGOR_STATES(IGOR_STATE_FUNCTIONS)

/* The script ends in the request: its shutdown functions may still use what it has registered. */
void igor_drop_wrappers(zval *before);

/* Calls a function of PHP by its name; false when it is not there (an extension that is not loaded, disable_functions). */
bool igor_call(const char *name, zval *result, uint32_t count, zval *arguments);
void igor_call_for_effect(const char *name, uint32_t count, zval *arguments);

/* The request's module functions, as PHP calls them at its own end and start. Both are optional. */
void igor_module_end(const char *name);

/* The first member of a module's globals on this thread, for modules without headers in some builds. */
void *igor_module_globals(const char *name);
void igor_module_renew(const char *name);

#endif
