/* PHP functions with another behaviour here: their handlers are replaced, their signatures stay. */
#include "internal.h"

#include <string.h>

/* The functions of PHP whose handlers are ours. */
static struct {
	const char *name;
	zif_handler handler;
} igor_replaced[64];
static size_t igor_replaced_count = 0;

static zend_internal_function *igor_find_function(const char *name)
{
	zend_internal_function *function = zend_hash_str_find_ptr(CG(function_table), name, strlen(name));

	return function != NULL && function->type == ZEND_INTERNAL_FUNCTION ? function : NULL;
}

/* Replaces the handler of a PHP function, for threads that start after it. NULL: the function does not exist
 * (disable_functions). */
zif_handler igor_replace_function(const char *name, zif_handler handler)
{
	zend_internal_function *function = igor_find_function(name);
	zif_handler original;

	if (function == NULL) {
		return NULL;
	}
	ZEND_ASSERT(igor_replaced_count < sizeof(igor_replaced) / sizeof(igor_replaced[0]));
	igor_replaced[igor_replaced_count].name = name;
	igor_replaced[igor_replaced_count].handler = handler;
	igor_replaced_count++;
	original = function->handler;
	function->handler = handler;
	return original;
}

/* For a thread that starts: before PHP 8.4 each has copies of the functions. If they are shared, nothing is written. */
void igor_replace_functions_of_thread(void)
{
	size_t i;

	for (i = 0; i < igor_replaced_count; i++) {
		zend_internal_function *function = igor_find_function(igor_replaced[i].name);

		if (function != NULL && function->handler != igor_replaced[i].handler) {
			function->handler = igor_replaced[i].handler;
		}
	}
}
