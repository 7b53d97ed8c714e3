/* The exceptions that Igor's functions throw. */
#include "internal.h"

#include <ext/spl/spl_exceptions.h>

/* Throws the exception of a verdict. Rust has returned: this may leave by a jump if memory runs out. */
void igor_throw(igor_thread *self, igor_verdict verdict)
{
	size_t len = 0;
	const char *message = host_message(self->host, &len);
	zend_string *text = message != NULL ? zend_string_init(message, len, 0) : ZSTR_EMPTY_ALLOC();
	zend_class_entry *class = verdict == IGOR_VALUE_ERROR ? zend_ce_value_error
		: verdict == IGOR_LOGIC_EXCEPTION ? spl_ce_LogicException
		: spl_ce_RuntimeException;

	IGOR_FAULT("throw");
	zend_throw_exception(class, ZSTR_VAL(text), 0);
	zend_string_release(text);
}

/* If a leaf has failed, throws its exception and returns false. */
bool igor_done(igor_verdict verdict)
{
	if (verdict != IGOR_OK) {
		igor_throw(igor_self, verdict);
		return false;
	}
	return true;
}

void igor_throw_outside(const char *function)
{
	zend_throw_exception_ex(spl_ce_RuntimeException, 0, "%s() can only be called on a thread of the server", function);
}
