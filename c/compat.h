/* Every difference between PHP versions stands here and nowhere else. */
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

/* Variables that a PHP without thread safety does not have. Weak, the module can be loaded there, so far that PHP compares
 * the builds and refuses it in words that help. */
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

/* 8.4 says when opcache takes note of a restart. Before, it shows at the start of the next request (opcache.c). */
#define IGOR_HAS_RESTART_HOOK (PHP_VERSION_ID >= 80400)

/* What http_get_last_response_headers() gives. */
#define IGOR_HAS_LAST_HTTP_HEADERS (PHP_VERSION_ID >= 80400)

/* stream_last_errors() and stream_clear_errors(). */
#define IGOR_HAS_STREAM_ERRORS (PHP_VERSION_ID >= 80600)

#endif
