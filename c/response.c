/* The functions for the current request and its response. */
#include "internal.h"

#include <ext/standard/head.h>

#include <string.h>

PHP_FUNCTION(frankenphp_finish_request)
{
	ZEND_PARSE_PARAMETERS_NONE();

	if (igor_self == NULL || !igor_self->has_job || igor_self->finished || igor_in_forked_server()) {
		RETURN_FALSE;
	}
	php_output_end_all();
	IGOR_FAULT("finish_request");
	php_header();
	igor_self->finished = true;
	host_finish(igor_self->host);
	RETURN_TRUE;
}

/* Sends what header() has gathered as an informational response (103 Early Hints), or all headers at once. */
PHP_FUNCTION(headers_send)
{
	zend_long status = 200;
	zend_llist_position position;
	sapi_header_struct *header;

	ZEND_PARSE_PARAMETERS_START(0, 1)
		Z_PARAM_OPTIONAL
		Z_PARAM_LONG(status)
	ZEND_PARSE_PARAMETERS_END();

	if (igor_self == NULL || !igor_self->has_job || SG(headers_sent) || igor_in_forked_server()) {
		RETURN_LONG(SAPI_HEADER_SEND_FAILED);
	}
	if (status < 100 || status >= 200) {
		SG(sapi_headers).http_response_code = (int) status;
		RETURN_LONG(sapi_send_headers());
	}
	IGOR_FAULT("headers_send");
	for (header = zend_llist_get_first_ex(&SG(sapi_headers).headers, &position); header != NULL;
		header = zend_llist_get_next_ex(&SG(sapi_headers).headers, &position)) {
		host_header(igor_self->host, header->header, header->header_len);
	}
	(void) host_inform(igor_self->host, (int) status);
	RETURN_LONG(SAPI_HEADER_SENT_SUCCESSFULLY);
}

PHP_FUNCTION(frankenphp_request_headers)
{
	igor_pair header;
	size_t i;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	if (igor_self == NULL || !igor_self->has_job) {
		return;
	}
	for (i = 0; host_request_header(igor_self->host, i, &header); i++) {
		IGOR_FAULT("request_headers");
		add_assoc_stringl_ex(return_value, header.name, header.name_len, header.value, header.value_len);
	}
}

PHP_FUNCTION(frankenphp_response_headers)
{
	zend_llist_position position;
	sapi_header_struct *header;

	ZEND_PARSE_PARAMETERS_NONE();

	array_init(return_value);
	for (header = zend_llist_get_first_ex(&SG(sapi_headers).headers, &position); header != NULL;
		header = zend_llist_get_next_ex(&SG(sapi_headers).headers, &position)) {
		const char *colon = memchr(header->header, ':', header->header_len);
		const char *value;

		if (colon == NULL) {
			continue;
		}
		value = colon + 1;
		while (value < header->header + header->header_len && *value == ' ') {
			value++;
		}
		add_assoc_stringl_ex(return_value, header->header, colon - header->header, value,
			header->header + header->header_len - value);
	}
}
