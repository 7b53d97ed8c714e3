/* The SAPI callbacks, in the order in which PHP calls them during a request. */
#include "internal.h"

#include <php_main.h>
#include <php_variables.h>
#include <php_content_types.h>
#include <http_status_codes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Points SG(request_info) at the current request. Must be done before php_request_startup(), which reads the
 * body and the cookies. */
void igor_request_info_fill(const igor_request *request)
{
	/* PHP declares some of these as writable but never writes to them. */
	SG(request_info).request_method = request->method;
	SG(request_info).query_string = (char *) request->query;
	SG(request_info).request_uri = (char *) request->uri;
	SG(request_info).path_translated = (char *) request->script;
	SG(request_info).content_type = request->content_type;
	SG(request_info).content_length = request->content_length < 0 ? 0 : (zend_long) request->content_length;
	SG(request_info).cookie_data = NULL;
	/* sapi_deactivate() frees it and keeps the pointer, which the next sapi_deactivate() would free again. */
	SG(request_info).content_type_dup = NULL;
	SG(request_info).auth_user = NULL;
	SG(request_info).auth_password = NULL;
	SG(request_info).auth_digest = NULL;
	SG(request_info).argc = request->argc;
	SG(request_info).argv = (char **) request->argv;
	SG(server_context) = request->has_job ? (void *) igor_self : NULL;
	/* sapi_activate() keeps the previous request's code. PHP's command line has none. */
	SG(sapi_headers).http_response_code = request->command_line ? 0 : 200;
}

/* Whether the script ended by a fatal error, an uncaught exception or a bailout. php_execute_script() hides them all, so
 * this checks the traces that they leave. */
bool igor_request_failed(void)
{
	return CG(unclean_shutdown) || EG(exit_status) == 255;
}

int shim_sapi_startup(struct _sapi_module_struct *module)
{
	return php_module_startup(module, &igor_module_entry);
}

/* Runs inside sapi_activate(), under php_request_startup()'s own catch: it may allocate. */
int shim_sapi_activate(void)
{
	IGOR_FAULT("activate");
	if (igor_self != NULL && SG(server_context) != NULL) {
		SG(request_info).proto_num = igor_self->request.protocol;
		if (igor_self->request.authorization != NULL) {
			php_handle_auth_data(igor_self->request.authorization);
		}
		igor_body_open();
	}
	return SUCCESS;
}

char *shim_sapi_read_cookies(void)
{
	IGOR_FAULT("read_cookies");
	return igor_self != NULL && !igor_self->alone ? (char *) igor_self->request.cookie : NULL;
}

size_t shim_sapi_read_post(char *into, size_t len)
{
	igor_thread *self = igor_self;
	bool aborted = false;
	size_t count;

	IGOR_FAULT("read_post");
	/* In a forked child the rest of the body is the parent's. After the script's end PHP would read the rest of the body,
	 * and the response would wait for it. */
	if (self == NULL || !self->has_job || self->shut_down || igor_in_forked_server()) {
		return 0;
	}
	count = host_read_body(self->host, into, len, &aborted);
	if (aborted) {
		igor_body_broke_off(self);
	}
	return count;
}

void shim_sapi_default_post_reader(void)
{
	IGOR_FAULT("default_post_reader");
	/* It refuses a body beyond post_max_size. */
	if (SG(post_max_size) <= 0 || SG(request_info).content_length <= SG(post_max_size)) {
		igor_body_open();
	}
	if (SG(request_info).request_body == NULL) {
		php_default_post_reader();
	}
}

void shim_sapi_treat_data(int arg, char *str, struct _zval_struct *into)
{
	IGOR_FAULT("treat_data");
	php_default_treat_data(arg, str, into);
}

unsigned int shim_sapi_input_filter(int arg, const char *name, char **value, size_t len, size_t *new_len)
{
	IGOR_FAULT("input_filter");
	return php_default_input_filter(arg, name, value, len, new_len);
}

char *shim_sapi_getenv(const char *name, size_t len)
{
	IGOR_FAULT("getenv");
	return igor_self != NULL ? (char *) host_getenv(igor_self->host, name, len) : NULL;
}

size_t shim_sapi_write(const char *bytes, size_t len)
{
	if (igor_self == NULL || igor_self->alone || igor_in_forked_server()) {
		return len;
	}
	IGOR_FAULT("write");
	/* The verdict comes back before PHP may leave by a jump: php_handle_aborted_connection() can. */
	if (host_write(igor_self->host, bytes, len) == IGOR_CLIENT_GONE) {
		igor_client_gone(igor_self);
	}
	return len;
}

void shim_sapi_flush(void *server_context)
{
	if (igor_self == NULL || !igor_self->has_job || igor_self->finished || igor_in_forked_server()) {
		return;
	}
	IGOR_FAULT("flush");
	/* php-cgi's flush() does not send them either. */
	if (!igor_self->request.own_process) {
		sapi_send_headers();
	}
	if (host_flush(igor_self->host) == IGOR_CLIENT_GONE) {
		igor_client_gone(igor_self);
	}
}

/* The status and its words in a status line that the script has set, such as " 404 Nothing Here"; NULL without one. */
static const char *igor_status_words(const sapi_headers_struct *list)
{
	const char *line = list->http_status_line;

	return line != NULL && strncasecmp(line, "HTTP/", strlen("HTTP/")) == 0 ? strchr(line, ' ') : NULL;
}

/* CGI has no status line: the status is a header (RFC 3875, 6.3.3). A script may give it words of its own, by a status
 * line or by that header itself. */
static void igor_send_status(sapi_headers_struct *list)
{
	const http_response_status_code_pair *known = http_status_map;
	const char *words;
	zend_llist_position position;
	const sapi_header_struct *header;
	char status[1024];

	for (header = zend_llist_get_first_ex(&list->headers, &position); header != NULL;
		header = zend_llist_get_next_ex(&list->headers, &position)) {
		if (header->header_len >= strlen("Status:") && strncasecmp(header->header, "Status:", strlen("Status:")) == 0) {
			return;
		}
	}
	words = igor_status_words(list);
	if (words != NULL) {
		snprintf(status, sizeof(status), "Status:%s", words);
	} else {
		while (known->str != NULL && known->code != list->http_response_code) {
			known++;
		}
		snprintf(status, sizeof(status), "Status: %d%s%s", list->http_response_code, known->str != NULL ? " " : "",
			known->str != NULL ? known->str : "");
	}
	host_header(igor_self->host, status, strlen(status));
}

int shim_sapi_send_headers(void *headers)
{
	sapi_headers_struct *list = headers;
	zend_llist_position position;
	sapi_header_struct *header;

	if (igor_self == NULL || !igor_self->has_job || igor_in_forked_server()) {
		return SAPI_HEADER_SENT_SUCCESSFULLY;
	}
	IGOR_FAULT("send_headers");
	if (!igor_self->request.own_process) {
		const char *words = igor_status_words(list);
		char status[1024];

		/* http_response_code() leaves an older status line in place. */
		if (words != NULL && atoi(words) == list->http_response_code) {
			/* Before the script's own headers, so that a Status header of the script wins. */
			host_header(igor_self->host, status, MIN((size_t) snprintf(status, sizeof(status), "Status:%s", words), sizeof(status) - 1));
		}
	}
	if (igor_self->request.own_process && list->http_response_code != 200) {
		igor_send_status(list);
	}
	for (header = zend_llist_get_first_ex(&list->headers, &position); header != NULL;
		header = zend_llist_get_next_ex(&list->headers, &position)) {
		host_header(igor_self->host, header->header, header->header_len);
	}
	IGOR_FAULT("send_headers half");
	if (list->send_default_content_type) {
		sapi_header_struct content_type;

		sapi_get_default_content_type_header(&content_type);
		host_header(igor_self->host, content_type.header, content_type.header_len);
		sapi_free_header(&content_type);
	}
	(void) host_head(igor_self->host, list->http_response_code);
	return SAPI_HEADER_SENT_SUCCESSFULLY;
}

void shim_sapi_log(const char *message, int level)
{
	IGOR_FAULT("log");
	igor_log(level, message, strlen(message));
}

/* Errors of PHP's SAPI layer, such as header() after output has started, are ordinary script errors. They reach the
 * script's error handler. */
void shim_sapi_error(int type, const char *format, ...)
{
	char message[1024];
	va_list arguments;

	va_start(arguments, format);
	ap_php_vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	IGOR_FAULT("error");
	zend_error(type, "%s", message);
}
