/* The additions for a script from the command line. */
#include "internal.h"

#include <php_streams.h>

static void igor_define_stream(const char *name, const char *address, const char *mode)
{
	php_stream *stream = php_stream_open_wrapper(address, mode, 0, NULL);
	zend_constant constant;

	/* It is closed: a descriptor may be closed when the process starts. */
	if (stream == NULL) {
		return;
	}
	php_stream_to_zval(stream, &constant.value);
	ZEND_CONSTANT_SET_FLAGS(&constant, 0, 0);
	constant.name = zend_string_init_interned(name, strlen(name), 0);
	zend_register_constant(&constant);
}

/* STDIN, STDOUT and STDERR are streams over duplicated descriptors, so a script may close them. */
void igor_define_standard_streams(void)
{
	igor_define_stream("STDIN", "php://stdin", "rb");
	igor_define_stream("STDOUT", "php://stdout", "wb");
	igor_define_stream("STDERR", "php://stderr", "wb");
}
