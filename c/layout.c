/* Facts about the headers of the linked PHP, asserted. A difference stops the build, before it can damage memory.
 *
 * First the constants of Rust's vars::layout. (The structures are compared in Rust, by php::layout.) */
#include "internal.h"

#include <ext/session/php_session.h>
#include <ext/standard/basic_functions.h>
#include <ext/standard/file.h>
#include <php_globals.h>
#include <php_streams.h>
#include <php_variables.h>

_Static_assert(IS_UNDEF == 0 && IS_NULL == 1 && IS_FALSE == 2 && IS_TRUE == 3 && IS_LONG == 4, "value types");
_Static_assert(IS_DOUBLE == 5 && IS_STRING == 6 && IS_ARRAY == 7 && IS_OBJECT == 8 && IS_RESOURCE == 9, "value types");
_Static_assert(IS_REFERENCE == 10 && IS_INDIRECT == 12 && IS_PTR == 13, "value types");
_Static_assert(GC_FLAGS_SHIFT == 0, "reference-counted flags");
_Static_assert(GC_NOT_COLLECTABLE == 1 << 4 && GC_IMMUTABLE == 1 << 6, "reference-counted flags");
_Static_assert(IS_STR_INTERNED == GC_IMMUTABLE, "string flags");
_Static_assert(IS_STR_PERMANENT == 1 << 8 && IS_STR_VALID_UTF8 == 1 << 9, "string flags");
_Static_assert(HASH_FLAG_PACKED == 1 << 2 && HASH_FLAG_UNINITIALIZED == 1 << 3 && HASH_FLAG_STATIC_KEYS == 1 << 4,
	"hash flags");
_Static_assert(HT_MIN_SIZE == 8 && HT_MIN_MASK == (uint32_t) -2 && HT_INVALID_IDX == (uint32_t) -1, "hash sizes");
_Static_assert(sizeof(((zend_array *) 0)->u.v._unused2) == 1, "the byte that marks arrays which lead to an enum case");

/* Then the members of PHP's globals that the shim writes, clears or casts: if their type changed, the code would still
 * compile. The compiler itself checks the types of functions and callbacks (build.rs). */
#define IGOR_HAS_TYPE(member, type) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(member), type), #member " is not of the type " #type)

IGOR_HAS_TYPE(CG(function_table), HashTable *);
IGOR_HAS_TYPE(CG(skip_shebang), bool);
IGOR_HAS_TYPE(CG(unclean_shutdown), bool);
IGOR_HAS_TYPE(EG(current_execute_data), zend_execute_data *);
IGOR_HAS_TYPE(EG(error_reporting), int);
IGOR_HAS_TYPE(EG(exception), zend_object *);
IGOR_HAS_TYPE(EG(exit_status), int);
IGOR_HAS_TYPE(EG(ini_directives), HashTable *);
IGOR_HAS_TYPE(EG(modified_ini_directives), HashTable *);
IGOR_HAS_TYPE(EG(regular_list), HashTable);
IGOR_HAS_TYPE(EG(symbol_table), HashTable);
IGOR_HAS_TYPE(EG(user_error_handler), zval);
IGOR_HAS_TYPE(EG(user_error_handler_error_reporting), int);
IGOR_HAS_TYPE(EG(user_error_handlers), zend_stack);
IGOR_HAS_TYPE(EG(user_error_handlers_error_reporting), zend_stack);
IGOR_HAS_TYPE(EG(vm_interrupt), zend_atomic_bool);
#if defined(ZEND_MAX_EXECUTION_TIMERS) && defined(__linux__)
IGOR_HAS_TYPE(EG(max_execution_timer_timer), timer_t);
IGOR_HAS_TYPE(EG(oldact), struct sigaction);
IGOR_HAS_TYPE(EG(pid), pid_t);
#endif
IGOR_FATAL_BACKTRACE_FIELDS(IGOR_HAS_TYPE)
IGOR_HAS_TYPE(PG(http_globals), zval[NUM_TRACK_VARS]);
IGOR_HAS_TYPE(PG(last_error_file), zend_string *);
IGOR_HAS_TYPE(PG(last_error_message), zend_string *);
IGOR_HAS_TYPE(PG(output_buffering), zend_long);
IGOR_HAS_TYPE(PG(output_handler), IGOR_OUTPUT_HANDLER_TYPE);
IGOR_HAS_TYPE(BG(ctype_string), zend_string *);
IGOR_LAST_HTTP_HEADERS_FIELDS(IGOR_HAS_TYPE)
IGOR_HAS_TYPE(BG(strtok_string), zend_string *);
IGOR_HAS_TYPE(BG(url_adapt_output_ex), url_adapt_state_ex_t);
IGOR_HAS_TYPE(BG(url_adapt_session_ex), url_adapt_state_ex_t);
IGOR_HAS_TYPE(BG(user_filter_map), HashTable *);
IGOR_HAS_TYPE(BG(user_shutdown_function_names), HashTable *);
IGOR_HAS_TYPE(BG(user_tick_functions), zend_llist *);
IGOR_HAS_TYPE(FG(default_context), php_stream_context *);
IGOR_HAS_TYPE(FG(stream_filters), HashTable *);
IGOR_HAS_TYPE(FG(stream_wrappers), HashTable *);
IGOR_HAS_TYPE(SG(request_info), sapi_request_info);
IGOR_HAS_TYPE(SG(request_info).request_body, php_stream *);
IGOR_HAS_TYPE(SG(sapi_headers).headers, zend_llist);
IGOR_HAS_TYPE(SG(server_context), void *);
/* Nine adjacent values that the shim reads as an array. They have had other names. */
IGOR_SESSION_NAMES_FIELDS(IGOR_HAS_TYPE)
_Static_assert(sizeof(PS(mod_user_names)) == 9 * sizeof(zval), "the handlers of a session are nine values");
IGOR_HAS_TYPE(PS(mod_user_class_name), zend_string *);
IGOR_SESSION_METHODS_FIELDS(IGOR_HAS_TYPE)
