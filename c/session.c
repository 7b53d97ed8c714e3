/* Sessions in HTTP workers: each request has its own, with the handler and the settings of the run. */
#include "internal.h"

#include <ext/session/php_session.h>

#include <string.h>

/* The extension session may be absent, or a shared object that is not loaded. */
#pragma weak ps_globals_id

#define IGOR_SESSION_HANDLERS (sizeof(PS(mod_user_names)) / sizeof(zval))

/* Calls the module's own request shutdown, but keeps the script's handlers and session settings, which belong to the run.
 * Frameworks set them once, with the first session. */
static void igor_session_shutdown(zend_module_entry *session)
{
	zval kept[IGOR_SESSION_HANDLERS], *handlers = (zval *) &PS(mod_user_names);
	zend_string *class_name = PS(mod_user_class_name);
	bool uses_methods = IGOR_SESSION_METHODS_GET();
	size_t i;

	for (i = 0; i < IGOR_SESSION_HANDLERS; i++) {
		ZVAL_COPY(&kept[i], &handlers[i]);
	}
	if (class_name != NULL) {
		zend_string_addref(class_name);
	}
	session->request_shutdown_func(session->type, session->module_number);
	for (i = 0; i < IGOR_SESSION_HANDLERS; i++) {
		ZVAL_COPY_VALUE(&handlers[i], &kept[i]);
	}
	PS(mod_user_class_name) = class_name;
	IGOR_SESSION_METHODS_SET(uses_methods);
}

/* Ends the current session, of a request or of the script between two requests. */
void igor_session_end(void)
{
	zend_module_entry *session = zend_hash_str_find_ptr(&module_registry, ZEND_STRL("session"));

	if (session != NULL) {
		igor_session_shutdown(session);
		/* The module leaves the variable to the end of the script; the next request must not see this one's data. */
		zend_hash_str_del(&EG(symbol_table), ZEND_STRL("_SESSION"));
	}
}

/* Prepares the next session. With session.auto_start the module opens it now, by the cookie that it finds: so this comes
 * after the request's superglobals, and never before there is a request. */
void igor_session_start(void)
{
	zend_module_entry *session = zend_hash_str_find_ptr(&module_registry, ZEND_STRL("session"));

	if (session != NULL) {
		igor_session_end();
		session->request_startup_func(session->type, session->module_number);
	}
}

/* PHP can note in the session how far it has read a form. That is before the request's code, where a classic script has no
 * session handler yet; so once a worker's script has set one, no progress is noted in this run. */
void igor_session_limit_progress(void)
{
	zend_string *name;

	if (!zend_hash_str_exists(&module_registry, ZEND_STRL("session")) || !PS(rfc1867_enabled) || PS(mod) == NULL
		|| strcmp(PS(mod)->s_name, "user") != 0) {
		return;
	}
	name = ZSTR_INIT_LITERAL("session.upload_progress.enabled", 0);
	zend_alter_ini_entry_ex(name, ZSTR_CHAR('0'), PHP_INI_USER, PHP_INI_STAGE_RUNTIME, true);
	zend_string_release(name);
}
