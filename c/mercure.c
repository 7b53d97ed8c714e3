/* Updates for the subscribers of the site's Mercure hub. */
#include "internal.h"

/* The topics go to Rust one by one, as the names of workers do. */
static igor_verdict igor_add_topics(HashTable *topics, const zend_string *topic)
{
	zval *element;
	igor_verdict verdict = IGOR_OK;

	host_ensure_clear(igor_self->host);
	if (topic != NULL) {
		return host_ensure_name(igor_self->host, ZSTR_VAL(topic), ZSTR_LEN(topic));
	}
	ZEND_HASH_FOREACH_VAL(topics, element) {
		ZVAL_DEREF(element);
		verdict = host_ensure_name(igor_self->host, Z_STRVAL_P(element), Z_STRLEN_P(element));
		if (verdict != IGOR_OK) {
			break;
		}
	} ZEND_HASH_FOREACH_END();
	return verdict;
}

static bool igor_topics_are_strings(HashTable *topics)
{
	zval *element;

	ZEND_HASH_FOREACH_VAL(topics, element) {
		ZVAL_DEREF(element);
		if (Z_TYPE_P(element) != IS_STRING) {
			zend_argument_type_error(1, "must be a string or an array of strings, array with a value of type %s given",
				zend_zval_type_name(element));
			return false;
		}
	} ZEND_HASH_FOREACH_END();
	return true;
}

PHP_FUNCTION(mercure_publish)
{
	zend_string *topic, *data = NULL, *id = NULL, *type = NULL;
	HashTable *topics;
	bool is_private = false, retry_is_null = true;
	zend_long retry = 0;
	igor_update update = {0};
	igor_verdict verdict;
	const char *text;
	size_t length;

	ZEND_PARSE_PARAMETERS_START(1, 6)
		Z_PARAM_ARRAY_HT_OR_STR(topics, topic)
		Z_PARAM_OPTIONAL
		Z_PARAM_STR(data)
		Z_PARAM_BOOL(is_private)
		Z_PARAM_STR_OR_NULL(id)
		Z_PARAM_STR_OR_NULL(type)
		Z_PARAM_LONG_OR_NULL(retry, retry_is_null)
	ZEND_PARSE_PARAMETERS_END();

	if (topic == NULL && !igor_topics_are_strings(topics)) {
		RETURN_THROWS();
	}
	if (!retry_is_null && retry < 0) {
		zend_argument_value_error(6, "must be greater than or equal to 0");
		RETURN_THROWS();
	}
	if (igor_self == NULL) {
		igor_throw_outside("mercure_publish");
		RETURN_THROWS();
	}
	if (data != NULL) {
		update.data = ZSTR_VAL(data);
		update.data_len = ZSTR_LEN(data);
	}
	if (id != NULL) {
		update.id = ZSTR_VAL(id);
		update.id_len = ZSTR_LEN(id);
	}
	if (type != NULL) {
		update.type = ZSTR_VAL(type);
		update.type_len = ZSTR_LEN(type);
	}
	update.retry_ms = (uint64_t) retry;
	update.is_private = is_private;
	verdict = igor_add_topics(topics, topic);
	IGOR_FAULT("mercure_publish");
	if (verdict == IGOR_OK) {
		verdict = host_send_update(igor_self->host, &update);
	}
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		RETURN_THROWS();
	}
	text = host_message(igor_self->host, &length);
	RETURN_STRINGL(text, length);
}
