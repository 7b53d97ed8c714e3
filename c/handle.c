/* Objects that refer to a Rust object by a number, and have a stream to wait on. Used by worker_handle.c and tasks.c. */
#include "internal.h"

#include <ext/spl/spl_exceptions.h>
#include <php_network.h>
#include <php_streams.h>

#include <string.h>
#include <unistd.h>

zend_object *igor_handle_create(zend_class_entry *class, const zend_object_handlers *handlers)
{
	igor_object *handle = zend_object_alloc(sizeof(igor_object), class);

	handle->id = 0;
	ZVAL_UNDEF(&handle->stream);
	zend_object_std_init(&handle->std, class);
	object_properties_init(&handle->std, class);
	handle->std.handlers = handlers;
	return &handle->std;
}

void igor_handle_free(zend_object *object)
{
	igor_object *handle = igor_handle_of(object);

	zval_ptr_dtor(&handle->stream);
	ZVAL_UNDEF(&handle->stream);
	zend_object_std_dtor(object);
}

zend_class_entry *igor_handle_register(const char *name, size_t name_len, const zend_function_entry *methods,
	zend_object *(*create)(zend_class_entry *), zend_object_handlers *handlers, void (*free_object)(zend_object *))
{
	zend_class_entry class, *registered;

	INIT_CLASS_ENTRY_EX(class, name, name_len, methods);
	registered = zend_register_internal_class(&class);
	registered->ce_flags |= ZEND_ACC_FINAL | ZEND_ACC_NO_DYNAMIC_PROPERTIES | ZEND_ACC_NOT_SERIALIZABLE;
	registered->create_object = create;
	memcpy(handlers, &std_object_handlers, sizeof(*handlers));
	handlers->offset = XtOffsetOf(igor_object, std);
	handlers->free_obj = free_object;
	handlers->clone_obj = NULL;
	return registered;
}

/* One stream at a time; a new one after the script has closed it. */
void igor_handle_stream(igor_object *handle, igor_verdict (*open)(const igor_object *, int *), zval *return_value)
{
	igor_verdict verdict;
	php_stream *stream;

	if (Z_TYPE(handle->stream) == IS_RESOURCE && Z_RES(handle->stream)->ptr != NULL) {
		RETURN_COPY(&handle->stream);
	}
	/* As for frankenphp_get_worker_handle(): PHP may leave by a jump before the stream owns the descriptor. */
	verdict = open(handle, &igor_self->opening_fd);
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
	IGOR_FAULT("handle stream");
	stream = php_stream_sock_open_from_socket(igor_self->opening_fd, NULL);
	if (stream == NULL) {
		close(igor_self->opening_fd);
		igor_self->opening_fd = -1;
		zend_throw_exception(spl_ce_RuntimeException, "PHP could not open a stream", 0);
		RETURN_THROWS();
	}
	igor_self->opening_fd = -1;
	zval_ptr_dtor(&handle->stream);
	php_stream_to_zval(stream, &handle->stream);
	RETURN_COPY(&handle->stream);
}
