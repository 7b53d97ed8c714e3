/* The body of a request as php://input, without a copy.
 *
 * PHP copies a body that is no form into a temporary file before the script runs, or while it reads php://input. A body
 * that was gathered is already whole, in memory or in a file of its own. So PHP gets a stream over that instead, which
 * holds a position and no bytes. Forms are read by PHP itself. */
#include "internal.h"

#include <php_streams.h>

#include <strings.h>

struct igor_body {
	igor_thread *owner; /* NULL: the request has ended */
	zend_off_t length, position;
	bool is_none; /* the empty body that replaces a freed one in open handles */
};

/* What PHP keeps for a handle of php://input begins with its body (php_fopen_wrapper.c, 8.2 to 8.6). */
typedef struct {
	php_stream *body;
} igor_input;

/* Whether a handle of php://input has this body. `instead`: they all get that one. */
static bool igor_inputs_have(const php_stream *body, php_stream *instead)
{
	bool found = false;
	zval *element;

	ZEND_HASH_FOREACH_VAL(&EG(regular_list), element) {
		const zend_resource *resource = Z_RES_P(element);
		const php_stream *stream = resource->type == php_file_le_stream() ? resource->ptr : NULL;

		if (stream != NULL && strcmp(stream->ops->label, "Input") == 0 && ((igor_input *) stream->abstract)->body == body) {
			found = true;
			if (instead != NULL) {
				((igor_input *) stream->abstract)->body = instead;
			}
		}
	} ZEND_HASH_FOREACH_END();
	return found;
}

/* The body broke off. PHP's streams have no error for the request body, only its end; so a script that reads it gets a
 * warning and sees an aborted connection. While PHP itself reads a form, no script runs yet that could notice. */
void igor_body_broke_off(igor_thread *self)
{
	bool running = self->mode == IGOR_HTTP_WORKER ? self->in_callback : !PG(during_request_startup);

	PG(connection_status) |= PHP_CONNECTION_ABORTED;
	if (self->body_aborted) {
		return;
	}
	self->body_aborted = true;
	if (running) {
		php_error_docref(NULL, E_WARNING, "The request body ended before all of it was received");
	}
}

static ssize_t igor_body_read(php_stream *stream, char *into, size_t len)
{
	igor_body *body = stream->abstract;
	igor_thread *self = body->owner;
	bool aborted = false;
	size_t count = 0;

	IGOR_FAULT("body");
	if (self != NULL && body->position < body->length) {
		count = host_read_body_at(self->host, (uint64_t) body->position, into, len, &aborted);
		body->position += (zend_off_t) count;
		if (aborted) {
			igor_body_broke_off(self);
		}
	}
	if (count < len) {
		stream->eof = 1;
	}
	return (ssize_t) count;
}

/* As in a file, a position may be beyond the end. */
static int igor_body_seek(php_stream *stream, zend_off_t offset, int whence, zend_off_t *position)
{
	igor_body *body = stream->abstract;
	zend_off_t from = whence == SEEK_CUR ? body->position : whence == SEEK_END ? body->length : 0;
	zend_off_t to;

	if (__builtin_add_overflow(from, offset, &to) || to < 0) {
		*position = body->position;
		return -1;
	}
	body->position = to;
	*position = to;
	stream->eof = 0;
	return 0;
}

static int igor_body_close(php_stream *stream, int close_handle)
{
	igor_body *body = stream->abstract;

	(void) close_handle;
	if (body->is_none) {
		igor_self->no_body = NULL;
	} else if (body->owner != NULL) {
		body->owner->body = NULL;
		/* By a script, with pclose(). At the end of a PHP request its handles are closed before. */
		if ((EG(flags) & EG_FLAGS_IN_RESOURCE_SHUTDOWN) == 0) {
			igor_body_leave(stream);
		}
		if (SG(request_info).request_body == stream) {
			SG(request_info).request_body = NULL;
		}
	}
	efree(body);
	return 0;
}

static const php_stream_ops igor_body_ops = {
	.read = igor_body_read,
	.close = igor_body_close,
	.label = "request body",
	.seek = igor_body_seek,
};

static php_stream *igor_body_stream(igor_body value)
{
	igor_body *body = emalloc(sizeof(*body));
	php_stream *stream;

	*body = value;
	stream = php_stream_alloc(&igor_body_ops, body, NULL, "rb");
	/* As PHP's own: the reader before it has a buffer. A script that closed it would leave its handles without a body. */
	stream->flags |= PHP_STREAM_FLAG_NO_BUFFER | PHP_STREAM_FLAG_NO_FCLOSE;
	return stream;
}

/* A worker script may keep a php://input handle after its request. The handle holds a pointer to the body without a reference, so
 * it gets an empty body before this one is freed. */
void igor_body_leave(const php_stream *body)
{
	if (igor_inputs_have(body, NULL)) {
		if (igor_self->no_body == NULL) {
			igor_self->no_body = igor_body_stream((igor_body) { .is_none = true });
		}
		(void) igor_inputs_have(body, igor_self->no_body);
	}
}

/* PHP reads these itself, also when the script asks it to (request_parse_body()). */
static bool igor_is_form(const char *content_type)
{
	return content_type != NULL
		&& (strncasecmp(content_type, "multipart/form-data", sizeof("multipart/form-data") - 1) == 0
			|| strncasecmp(content_type, "application/x-www-form-urlencoded", sizeof("application/x-www-form-urlencoded") - 1) == 0);
}

/* Runs inside sapi_activate(): it may allocate. */
void igor_body_open(void)
{
	igor_thread *self = igor_self;
	php_stream *stream;

	if (self == NULL || !self->has_job || self->request.body_length < 0 || SG(request_info).request_body != NULL
		|| SG(request_info).post_entry != NULL || SG(post_read) || SG(read_post_bytes) != 0
		|| igor_is_form(SG(request_info).content_type)) {
		return;
	}
	stream = igor_body_stream((igor_body) { .owner = self, .length = (zend_off_t) self->request.body_length });
	self->body = stream->abstract;
	SG(request_info).request_body = stream;
	SG(read_post_bytes) = self->body->length;
	SG(post_read) = 1;
}

/* The request has ended. A script may hold the stream for longer, by get_resources(). */
void igor_body_end(igor_thread *self)
{
	if (self->body != NULL) {
		self->body->owner = NULL;
		self->body = NULL;
	}
}
