/* What PHP's source tree compiles itself of igor; the rest is in libigor.a. */
#include "php_igor.h"

const char igor_php_build[] = IGOR_BUILD;
