/* Enum cases in a snapshot. The arena holds a case as a pair of strings behind a pointer-typed zval, which the engine never
 * sees. A reader gets copies of the arrays that lead to a case. The copies hold the case of the reader's own request. */
#include "internal.h"

#include <zend_enum.h>
#include <ext/spl/spl_exceptions.h>

/* The arena's record of one enum case. Rust's vars::arena writes it. */
typedef struct {
	zend_string *class_name;
	zend_string *case_name;
} igor_enum_case;

bool shim_enum_case(const void *object, const void **class_name, const void **case_name)
{
	zend_object *candidate = (zend_object *) object;

	if ((candidate->ce->ce_flags & ZEND_ACC_ENUM) == 0) {
		return false;
	}
	*class_name = candidate->ce->name;
	*case_name = Z_STR_P(zend_enum_fetch_case_name(candidate));
	return true;
}

const void *shim_class_name(const void *object)
{
	return ((const zend_object *) object)->ce->name;
}

static void igor_enum_missing(const igor_enum_case *stored, const char *what)
{
	/* An autoloader's own exception has more information than ours. */
	if (EG(exception) == NULL) {
		zend_throw_exception_ex(spl_ce_LogicException, 0,
			"frankenphp_get_vars(): the snapshot holds the enum case %s::%s, but %s", ZSTR_VAL(stored->class_name),
			ZSTR_VAL(stored->case_name), what);
	}
}

/* May autoload, and so run user code. False: an exception was thrown. */
bool igor_enum_resolve(zval *into, const void *enum_case)
{
	const igor_enum_case *stored = enum_case;
	zend_string *class_name = zend_string_init(ZSTR_VAL(stored->class_name), ZSTR_LEN(stored->class_name), 0);
	zend_class_entry *class = zend_lookup_class(class_name);
	zend_class_constant *constant;
	zend_object *object;

	IGOR_FAULT("enum");
	zend_string_release(class_name);
	if (EG(exception) != NULL) {
		return false;
	}
	if (class == NULL) {
		igor_enum_missing(stored, "this script cannot load that enum");
		return false;
	}
	if ((class->ce_flags & ZEND_ACC_ENUM) == 0) {
		igor_enum_missing(stored, "in this script that name is not an enum");
		return false;
	}
	constant = zend_hash_find_ptr(CE_CONSTANTS_TABLE(class), stored->case_name);
	if (constant == NULL || (ZEND_CLASS_CONST_FLAGS(constant) & ZEND_CLASS_CONST_IS_CASE) == 0) {
		igor_enum_missing(stored, "in this script the enum has no such case");
		return false;
	}
	object = zend_enum_get_case(class, stored->case_name);
	if (object == NULL || EG(exception) != NULL) {
		return false;
	}
	ZVAL_OBJ_COPY(into, object);
	return true;
}
