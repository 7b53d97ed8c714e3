/* FrankenPHP\SentTaskHandle and FrankenPHP\ReceivedTaskHandle. Rust has the tasks (php::tasks), by number. */
#include "internal.h"
#include "classes_arginfo.h"

#include <ext/spl/spl_exceptions.h>
#include <ext/standard/file.h>

#include <math.h>
#include <string.h>

zend_class_entry *igor_received_task_class;
static zend_class_entry *igor_sent_task_class;
static zend_object_handlers igor_sent_task_handlers, igor_received_task_handlers;

static zend_object *igor_sent_task_create(zend_class_entry *class)
{
	return igor_handle_create(class, &igor_sent_task_handlers);
}

static zend_object *igor_received_task_create(zend_class_entry *class)
{
	return igor_handle_create(class, &igor_received_task_handlers);
}

/* A task that a script drops unfinished is aborted, with the pending exception if there is one. When the
 * script has ended, Rust ends the remaining tasks, because it then knows how the script has ended. */
static void igor_task_free(zend_object *object)
{
	igor_object *handle = igor_handle_of(object);
	zend_object *thrown = EG(exception);

	if (handle->id != 0 && igor_self != NULL && !igor_in_forked_server() && (EG(flags) & EG_FLAGS_IN_SHUTDOWN) == 0
		&& !(thrown != NULL && zend_is_unwind_exit(thrown))) {
		zval holder, *message = NULL;

		if (thrown != NULL && instanceof_function(thrown->ce, zend_ce_throwable)) {
			message = zend_read_property_ex(zend_get_exception_base(thrown), thrown, ZSTR_KNOWN(ZEND_STR_MESSAGE), true,
				&holder);
		}
		if (message != NULL && Z_TYPE_P(message) == IS_STRING) {
			host_task_drop(igor_self->host, handle->id, ZSTR_VAL(thrown->ce->name), ZSTR_LEN(thrown->ce->name),
				Z_STRVAL_P(message), Z_STRLEN_P(message));
		} else {
			host_task_drop(igor_self->host, handle->id, NULL, 0, NULL, 0);
		}
	}
	handle->id = 0;
	igor_handle_free(object);
}

/* The value of a reading without a slot. False: an exception was thrown. */
static bool igor_task_value(const igor_reading *reading, zval *into)
{
	IGOR_FAULT("task value");
	if (reading->copy || reading->enums) {
		bool copied = igor_copy_root(into, reading, NULL);

		host_read_done(igor_self->host, reading->root);
		return copied;
	}
	/* Never ZVAL_ARR(): it would mark the value as counted. */
	Z_ARR_P(into) = (zend_array *) reading->root;
	Z_TYPE_INFO_P(into) = IS_ARRAY;
	return true;
}

static igor_object *igor_this(zval *this)
{
	igor_object *handle = igor_handle_of(Z_OBJ_P(this));

	if (handle->id == 0 || igor_self == NULL) {
		zend_throw_error(NULL, "The object of class %s was not constructed", ZSTR_VAL(Z_OBJCE_P(this)->name));
		return NULL;
	}
	return handle;
}

static igor_verdict igor_task_stream(const igor_object *handle, int *fd)
{
	return host_task_stream(igor_self->host, handle->id, fd);
}

/* Those of PHP's sockets, with a close of ours; and theirs. PHP exports neither. Not part of igor_thread: a module releases
 * it when the script ends, and PHP closes the streams that are left after that. */
static __thread php_stream_ops igor_task_stream_ops;
static __thread int (*igor_close_socket)(php_stream *stream, int close_handle);

/* The script closes the stream. When the script ends, or is being left by exit(), the end of the run decides about the task. */
static int igor_task_stream_close(php_stream *stream, int close_handle)
{
	zend_object *thrown = EG(exception);

	if (igor_self != NULL && (EG(flags) & EG_FLAGS_IN_SHUTDOWN) == 0 && !igor_in_forked_server()
		&& !(thrown != NULL && zend_is_unwind_exit(thrown))) {
		host_task_stream_closed(igor_self->host, (uint64_t) (uintptr_t) stream->wrapperthis);
	}
	return igor_close_socket(stream, close_handle);
}

static void igor_task_stream_watch(php_stream *stream, uint64_t id)
{
	if (igor_close_socket == NULL) {
		igor_task_stream_ops = *stream->ops;
		igor_close_socket = stream->ops->close;
		igor_task_stream_ops.close = igor_task_stream_close;
	}
	stream->wrapperthis = (void *) (uintptr_t) id;
	stream->ops = &igor_task_stream_ops;
}

static void igor_get_stream(INTERNAL_FUNCTION_PARAMETERS)
{
	igor_object *handle;

	ZEND_PARSE_PARAMETERS_NONE();
	handle = igor_this(ZEND_THIS);
	if (handle == NULL) {
		RETURN_THROWS();
	}
	if (Z_TYPE(handle->stream) == IS_RESOURCE) {
		/* Also when the script has closed it: with it the task was over. */
		RETURN_COPY(&handle->stream);
	}
	igor_handle_stream(handle, igor_task_stream, return_value);
	if (Z_TYPE_P(return_value) == IS_RESOURCE) {
		igor_task_stream_watch(Z_RES_P(return_value)->ptr, handle->id);
	}
}

/* ---- The sender's side --------------------------------------------------------------------------------------- */

ZEND_METHOD(FrankenPHP_SentTaskHandle, __construct)
{
	igor_object *handle = igor_handle_of(Z_OBJ_P(ZEND_THIS));
	zend_string *worker;
	HashTable *payload;
	double timeout = 30.0;
	bool forever = false;

	ZEND_PARSE_PARAMETERS_START(2, 3)
		Z_PARAM_STR(worker)
		Z_PARAM_ARRAY_HT(payload)
		Z_PARAM_OPTIONAL
		Z_PARAM_DOUBLE_OR_NULL(timeout, forever)
	ZEND_PARSE_PARAMETERS_END();

	if (ZSTR_LEN(worker) == 0) {
		zend_argument_value_error(1, "must not be empty");
		RETURN_THROWS();
	}
	if (memchr(ZSTR_VAL(worker), 0, ZSTR_LEN(worker)) != NULL) {
		zend_argument_value_error(1, "must not contain any null bytes");
		RETURN_THROWS();
	}
	if (!forever && (!isfinite(timeout) || timeout < 0.0)) {
		zend_argument_value_error(3, "must be a finite number of seconds greater than or equal to 0");
		RETURN_THROWS();
	}
	if (igor_self == NULL) {
		igor_throw_outside("FrankenPHP\\SentTaskHandle::__construct");
		RETURN_THROWS();
	}
	if (handle->id != 0) {
		zend_throw_error(NULL, "FrankenPHP\\SentTaskHandle is constructed already");
		RETURN_THROWS();
	}
	IGOR_FAULT("task send");
	if (!igor_done(host_task_send(igor_self->host, ZSTR_VAL(worker), ZSTR_LEN(worker), payload, forever ? -1.0 : timeout,
		&handle->id))) {
		RETURN_THROWS();
	}
}

ZEND_METHOD(FrankenPHP_SentTaskHandle, read)
{
	igor_object *handle;
	igor_reading reading;
	bool more = false;

	ZEND_PARSE_PARAMETERS_NONE();
	handle = igor_this(ZEND_THIS);
	if (handle == NULL) {
		RETURN_THROWS();
	}
	IGOR_FAULT("task read");
	/* As for every read of a stream, a negative timeout is no limit. */
	if (!igor_done(host_task_read(igor_self->host, handle->id, (double) FG(default_socket_timeout), &reading, &more))) {
		RETURN_THROWS();
	}
	if (!more) {
		RETURN_NULL();
	}
	if (!igor_task_value(&reading, return_value)) {
		RETURN_THROWS();
	}
}

ZEND_METHOD(FrankenPHP_SentTaskHandle, getStream)
{
	igor_get_stream(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

ZEND_METHOD(FrankenPHP_SentTaskHandle, abandon)
{
	igor_object *handle;

	ZEND_PARSE_PARAMETERS_NONE();
	handle = igor_this(ZEND_THIS);
	if (handle == NULL) {
		RETURN_THROWS();
	}
	host_task_abandon(igor_self->host, handle->id);
}

/* ---- The receiver's side ------------------------------------------------------------------------------------- */

ZEND_METHOD(FrankenPHP_ReceivedTaskHandle, __construct)
{
	ZEND_PARSE_PARAMETERS_NONE();
}

ZEND_METHOD(FrankenPHP_ReceivedTaskHandle, getPayload)
{
	igor_object *handle;
	igor_reading reading;

	ZEND_PARSE_PARAMETERS_NONE();
	handle = igor_this(ZEND_THIS);
	if (handle == NULL) {
		RETURN_THROWS();
	}
	if (!igor_done(host_task_payload(igor_self->host, handle->id, &reading))) {
		RETURN_THROWS();
	}
	if (!igor_task_value(&reading, return_value)) {
		RETURN_THROWS();
	}
}

ZEND_METHOD(FrankenPHP_ReceivedTaskHandle, update)
{
	igor_object *handle;
	HashTable *data;

	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_ARRAY_HT(data)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_this(ZEND_THIS);
	if (handle == NULL) {
		RETURN_THROWS();
	}
	IGOR_FAULT("task update");
	igor_done(host_task_update(igor_self->host, handle->id, data));
}

ZEND_METHOD(FrankenPHP_ReceivedTaskHandle, complete)
{
	igor_object *handle;
	HashTable *data = NULL;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_ARRAY_HT_OR_NULL(data)
	ZEND_PARSE_PARAMETERS_END();

	handle = igor_this(ZEND_THIS);
	if (handle == NULL) {
		RETURN_THROWS();
	}
	IGOR_FAULT("task complete");
	igor_done(host_task_complete(igor_self->host, handle->id, data));
}

ZEND_METHOD(FrankenPHP_ReceivedTaskHandle, getStream)
{
	igor_get_stream(INTERNAL_FUNCTION_PARAM_PASSTHRU);
}

static const zend_function_entry igor_sent_task_methods[] = {
	ZEND_ME(FrankenPHP_SentTaskHandle, __construct, arginfo_igor_SentTaskHandle___construct, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_SentTaskHandle, read, arginfo_igor_SentTaskHandle_read, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_SentTaskHandle, getStream, arginfo_igor_untyped, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_SentTaskHandle, abandon, arginfo_igor_void, ZEND_ACC_PUBLIC)
	PHP_FE_END
};

static const zend_function_entry igor_received_task_methods[] = {
	ZEND_ME(FrankenPHP_ReceivedTaskHandle, __construct, arginfo_igor_untyped, ZEND_ACC_PRIVATE)
	ZEND_ME(FrankenPHP_ReceivedTaskHandle, getPayload, arginfo_igor_ReceivedTaskHandle_getPayload, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_ReceivedTaskHandle, update, arginfo_igor_ReceivedTaskHandle_update, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_ReceivedTaskHandle, complete, arginfo_igor_ReceivedTaskHandle_complete, ZEND_ACC_PUBLIC)
	ZEND_ME(FrankenPHP_ReceivedTaskHandle, getStream, arginfo_igor_untyped, ZEND_ACC_PUBLIC)
	PHP_FE_END
};

void igor_task_classes_register(void)
{
	igor_sent_task_class = igor_handle_register(ZEND_STRL("FrankenPHP\\SentTaskHandle"), igor_sent_task_methods,
		igor_sent_task_create, &igor_sent_task_handlers, igor_task_free);
	igor_received_task_class = igor_handle_register(ZEND_STRL("FrankenPHP\\ReceivedTaskHandle"),
		igor_received_task_methods, igor_received_task_create, &igor_received_task_handlers, igor_task_free);
	IGOR_IMPLEMENT_POLL_HANDLE(igor_sent_task_class);
	IGOR_IMPLEMENT_POLL_HANDLE(igor_received_task_class);
}
