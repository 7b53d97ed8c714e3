/* An extension of PHP that has nothing but its name, MODULE, for tests of how extensions are loaded. */
#include <php.h>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

static zend_module_entry igor_test_module_entry = {
	STANDARD_MODULE_HEADER, TEXT(MODULE), NULL, NULL, NULL, NULL, NULL, NULL, "1", STANDARD_MODULE_PROPERTIES};

ZEND_GET_MODULE(igor_test)
