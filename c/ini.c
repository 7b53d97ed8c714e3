/* The php.ini settings of one PHP request: from its block, and from the web server that sends it. */
#include "internal.h"

#include <php_ini.h>
#include <zend_ini_scanner.h>

#include <stdio.h>
#include <string.h>
#include <syslog.h>

/* PHP reports a value that it refuses as a warning. Before its startup nothing may be shown to the client. */
static __thread bool igor_ini_applying;

bool igor_ini_report(const zend_string *message)
{
	if (!igor_ini_applying) {
		return false;
	}
	igor_log(LOG_WARNING, ZSTR_VAL(message), ZSTR_LEN(message));
	return true;
}

static void igor_ini_refused(const char *name, const char *reason)
{
	char text[256];

	snprintf(text, sizeof(text), "the php.ini setting \"%.128s\" of a request has no effect: %s", name, reason);
	igor_log(LOG_WARNING, text, strlen(text));
}

/* Of the list of disabled functions PHP makes changes to the process. */
static bool igor_ini_of_process(const char *name)
{
	return strcmp(name, "disable_functions") == 0 || strcmp(name, "disable_classes") == 0;
}

/* One line. A setting for which the script has no choice comes with `admin`: after it ini_set() fails. */
static void igor_ini_line(zval *name, zval *value, zval *index, int kind, void *admin)
{
	(void) index;
	if (kind != ZEND_INI_PARSER_ENTRY || name == NULL) {
		igor_ini_refused(name != NULL && Z_TYPE_P(name) == IS_STRING ? Z_STRVAL_P(name) : "", "it is no line NAME = VALUE");
		return;
	}
	if (igor_ini_of_process(Z_STRVAL_P(name))) {
		igor_ini_refused(Z_STRVAL_P(name), "it is one setting of the process; write it with `php_ini`");
		return;
	}
	if (zend_alter_ini_entry_chars(Z_STR_P(name), value != NULL ? Z_STRVAL_P(value) : "",
			value != NULL ? Z_STRLEN_P(value) : 0, *(const bool *) admin ? PHP_INI_SYSTEM : PHP_INI_PERDIR, PHP_INI_STAGE_ACTIVATE)
		== FAILURE) {
		igor_ini_refused(Z_STRVAL_P(name), "there is none, its value is refused, or only `php_admin_value` may change it");
	}
}

static void igor_ini_text(const char *text, bool admin)
{
	if (text != NULL) {
		/* PHP 8.2 does not declare the text as const, and does not change it. */
		zend_parse_ini_string((char *) text, false, ZEND_INI_SCANNER_NORMAL, igor_ini_line, &admin);
	}
}

/* Called before PHP's startup, which reads the body within the limits of php.ini. PHP restores the settings in its
 * shutdown. */
void igor_ini_apply(const igor_request *request)
{
	if (request->ini_values == NULL && request->own_ini_values == NULL) {
		return;
	}
	igor_ini_applying = true;
	zend_try {
		IGOR_FAULT("ini");
		igor_ini_text(request->ini_values, false);
		igor_ini_text(request->ini_admin, true);
		igor_ini_text(request->own_ini_values, false);
		igor_ini_text(request->own_ini_admin, true);
	} zend_end_try();
	igor_ini_applying = false;
}
