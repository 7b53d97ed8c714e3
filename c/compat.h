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

/* 8.3 gave each thread its stack limits, read at thread start. */
#if PHP_VERSION_ID >= 80300
# define IGOR_CALL_STACK_INIT() zend_call_stack_init()
#else
# define IGOR_CALL_STACK_INIT() ((void)0)
#endif

/* 8.4 took the array (and object) handling out of the exit construct and made it a function; unwind_exit stayed. */

#endif
