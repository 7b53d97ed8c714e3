/* PHP's list of compiled-in modules is made of the headers that define such a name. */
#ifndef PHP_IGOR_H
#define PHP_IGOR_H

#include "igor.h"

#define phpext_igor_ptr &igor_extension_entry

#endif
