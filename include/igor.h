/* Igor in a PHP of your own: what libigor.a offers a PHP that is linked with it.
 *
 * libigor.a holds the module `igor`, the same that `make extension` makes as a shared object; docs/extension.md says what it
 * does and how PHP's source tree takes it in. It asks PHP for nothing but what every module may use. */
#ifndef IGOR_H
#define IGOR_H

#include <php.h>

/* Everything that libigor.a must have in common with the PHP that it is linked into. ZEND_MODULE_BUILD_ID has the API
 * number, thread safety and debug mode; the others change the engine's structures too. */
#ifdef ZEND_SIGNALS
# define IGOR_BUILD_SIGNALS ",zend-signals"
#else
# define IGOR_BUILD_SIGNALS ""
#endif
#ifdef ZEND_MAX_EXECUTION_TIMERS
# define IGOR_BUILD_TIMERS ",zend-max-execution-timers"
#else
# define IGOR_BUILD_TIMERS ""
#endif
#define IGOR_BUILD ZEND_MODULE_BUILD_ID IGOR_BUILD_SIGNALS IGOR_BUILD_TIMERS

/* The module, for PHP's list of those that are compiled in. */
extern zend_module_entry igor_extension_entry;

/* The IGOR_BUILD of the PHP that links libigor.a, which defines it: the module compares it with its own when it starts. A
 * PHP that does not have it, because it has loaded the shared object, has compared the builds itself. */
extern const char igor_php_build[] __attribute__((weak));

#endif
