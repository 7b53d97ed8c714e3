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
};

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
	if (body->owner != NULL) {
		body->owner->body = NULL;
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
	igor_body *body;
	php_stream *stream;

	if (self == NULL || !self->has_job || self->request.body_length < 0 || SG(request_info).request_body != NULL
		|| SG(request_info).post_entry != NULL || SG(post_read) || SG(read_post_bytes) != 0
		|| igor_is_form(SG(request_info).content_type)) {
		return;
	}
	body = emalloc(sizeof(*body));
	*body = (igor_body) { .owner = self, .length = (zend_off_t) self->request.body_length };
	stream = php_stream_alloc(&igor_body_ops, body, NULL, "rb");
	/* As PHP's own: the reader before it has a buffer. */
	stream->flags |= PHP_STREAM_FLAG_NO_BUFFER;
	self->body = body;
	SG(request_info).request_body = stream;
	SG(read_post_bytes) = body->length;
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
