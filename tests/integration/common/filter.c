/* An extension of PHP, MODULE, with an input filter of its own in the place of the one of PHP's extension filter. */
#include <php.h>
#include <SAPI.h>
#include <php_variables.h>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

static SAPI_INPUT_FILTER_FUNC(igor_test_filter)
{
	static char other[] = "of the filter";

	if (arg == PARSE_SERVER && strcmp(var, "HTTP_X_ONE") == 0) {
		*val = other;
		val_len = sizeof(other) - 1;
	}
	if (new_val_len != NULL) {
		*new_val_len = val_len;
	}
	return 1;
}

static PHP_MINIT_FUNCTION(igor_test)
{
	sapi_register_input_filter(igor_test_filter, NULL);
	return SUCCESS;
}

static zend_module_entry igor_test_module_entry = {
	STANDARD_MODULE_HEADER, TEXT(MODULE), NULL, PHP_MINIT(igor_test), NULL, NULL, NULL, NULL, "1", STANDARD_MODULE_PROPERTIES};

ZEND_GET_MODULE(igor_test)
