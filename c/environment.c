/* The environment of a script: getenv(), putenv(), and what its child processes inherit.
 *
 * The environment of C belongs to the process. Threads that change it see each other's values, and a thread that reads it
 * while another changes it may read freed memory. So nothing here changes it. The variables of putenv() are in tables of
 * the thread: getenv() searches them first, and the end of the request drops them. Child processes get both.
 *
 * With `clear_env` the variables of the process are hidden: the request brings those that take their place.
 *
 * Strings are copied into plain memory, not into the request heap: a memory limit cannot interrupt a change of a table, and
 * the tables can be read until PHP's own shutdown has ended. */
#include "internal.h"

#include <php_variables.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

extern char **environ;

static zif_handler igor_original_getenv;
static zif_handler igor_original_putenv;
static void (*igor_original_import)(zval *into);

/* ---- What a script has set ----------------------------------------------------------------------------------- */

static void igor_table_drop(HashTable **table)
{
	if (*table != NULL) {
		zend_hash_destroy(*table);
		pefree(*table, 1);
		*table = NULL;
	}
}

/* A value that is NULL hides the process's variable. */
static void igor_table_set(HashTable **table, const char *name, size_t name_len, const char *value)
{
	zval entry;

	if (*table == NULL) {
		*table = pemalloc(sizeof(HashTable), 1);
		zend_hash_init(*table, 8, NULL, ZVAL_INTERNAL_PTR_DTOR, 1);
	}
	if (value != NULL) {
		ZVAL_NEW_STR(&entry, zend_string_init(value, strlen(value), 1));
	} else {
		ZVAL_NULL(&entry);
	}
	zend_hash_str_update(*table, name, name_len, &entry);
}

/* The value that the script has set for this name, or NULL. */
static const zval *igor_put(const igor_thread *self, const char *name, size_t len)
{
	const zval *value = NULL;

	if (self->environment != NULL) {
		value = zend_hash_str_find(self->environment, name, len);
	}
	if (value == NULL && self->boot_environment != NULL) {
		value = zend_hash_str_find(self->boot_environment, name, len);
	}
	return value;
}

/* Whether scripts of this thread see other variables than those of the process. */
bool igor_environment_is_cleared(void)
{
	return igor_self != NULL && igor_self->request.environment != NULL;
}

/* Of the variables that take the place of the process's; NULL: there is none of this name. */
static const igor_pair *igor_cleared(const igor_thread *self, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < self->request.environment_len; i++) {
		const igor_pair *pair = &self->request.environment[i];

		if (pair->name_len == len && memcmp(pair->name, name, len) == 0) {
			return pair;
		}
	}
	return NULL;
}

void igor_environment_keep(igor_thread *self)
{
	self->boot_environment = self->environment;
	self->environment = NULL;
}

void igor_environment_renew(igor_thread *self)
{
	igor_table_drop(&self->environment);
}

void igor_environment_release(igor_thread *self)
{
	igor_table_drop(&self->environment);
	igor_table_drop(&self->boot_environment);
}

/* ---- getenv(), putenv(), $_ENV ------------------------------------------------------------------------------- */

static ZEND_NAMED_FUNCTION(igor_putenv)
{
	char *setting, *equals;
	size_t len;

	/* Not one of our threads: for example of a program that has loaded PHP itself. */
	if (igor_self == NULL) {
		igor_original_putenv(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	ZEND_PARSE_PARAMETERS_START(1, 1)
		Z_PARAM_STRING(setting, len)
	ZEND_PARSE_PARAMETERS_END();

	if (len == 0 || setting[0] == '=') {
		zend_argument_value_error(1, "must have a valid syntax");
		RETURN_THROWS();
	}
	/* As in C, a NUL ends it. */
	equals = strchr(setting, '=');
	if (equals != NULL) {
		igor_table_set(&igor_self->environment, setting, equals - setting, equals + 1);
	} else {
		igor_table_set(&igor_self->environment, setting, strlen(setting), NULL);
	}
	RETURN_TRUE;
}

/* As PHP's getenv() of one name, without the variables of the process. */
static void igor_getenv_cleared(zval *return_value, const char *name, size_t len, bool local_only)
{
	const igor_pair *pair;
	char *given = local_only ? NULL : sapi_getenv(name, len);

	if (given != NULL) {
		RETVAL_STRING(given);
		efree(given);
		return;
	}
	pair = igor_cleared(igor_self, name, len);
	if (pair != NULL) {
		RETURN_STRINGL(pair->value, pair->value_len);
	}
	RETURN_FALSE;
}

/* The script's own variables come before the server's, so that a script reads what it wrote. */
static ZEND_NAMED_FUNCTION(igor_getenv)
{
	char *name = NULL;
	size_t len = 0;
	bool local_only = false;
	const zval *value;

	ZEND_PARSE_PARAMETERS_START(0, 2)
		Z_PARAM_OPTIONAL
		Z_PARAM_STRING_OR_NULL(name, len)
		Z_PARAM_BOOL(local_only)
	ZEND_PARSE_PARAMETERS_END();

	value = name != NULL && igor_self != NULL ? igor_put(igor_self, name, len) : NULL;
	if (value == NULL && name != NULL && igor_environment_is_cleared()) {
		igor_getenv_cleared(return_value, name, len, local_only);
		return;
	}
	if (value == NULL) {
		igor_original_getenv(INTERNAL_FUNCTION_PARAM_PASSTHRU);
		return;
	}
	if (Z_TYPE_P(value) == IS_STRING) {
		RETURN_STRINGL(Z_STRVAL_P(value), Z_STRLEN_P(value));
	}
	RETURN_FALSE;
}

static void igor_import_put(HashTable *into, HashTable *table)
{
	zend_string *name;
	zval *value, copy;

	if (table == NULL) {
		return;
	}
	ZEND_HASH_FOREACH_STR_KEY_VAL(table, name, value) {
		if (name == NULL) {
			continue;
		}
		if (Z_TYPE_P(value) == IS_STRING) {
			ZVAL_STRINGL(&copy, Z_STRVAL_P(value), Z_STRLEN_P(value));
			zend_symtable_str_update(into, ZSTR_VAL(name), ZSTR_LEN(name), &copy);
		} else {
			zend_symtable_str_del(into, ZSTR_VAL(name), ZSTR_LEN(name));
		}
	} ZEND_HASH_FOREACH_END();
}

/* The server's values, as getenv() of one name finds them. A header "Proxy:" must not appear as the variable HTTP_PROXY, which
 * many programs use. */
static void igor_import_pairs(HashTable *into, const igor_pair *pairs, size_t len)
{
	size_t i;
	zval copy;

	for (i = 0; i < len; i++) {
		const igor_pair *pair = &pairs[i];

		if (strcasecmp(pair->name, "HTTP_PROXY") != 0) {
			ZVAL_STRINGL(&copy, pair->value, pair->value_len);
			zend_symtable_str_update(into, pair->name, pair->name_len, &copy);
		}
	}
}

/* All variables, for getenv() without a name and for $_ENV. */
static void igor_import(zval *into)
{
	const igor_thread *self = igor_self;
	const igor_pair *pairs;
	size_t len;

	if (igor_environment_is_cleared()) {
		igor_import_pairs(Z_ARRVAL_P(into), self->request.environment, self->request.environment_len);
	} else {
		igor_original_import(into);
	}
	if (self == NULL) {
		return;
	}
	/* Between requests an HTTP worker has no request data. */
	if (!self->request.command_line && (self->has_job || !self->handled)) {
		len = host_server_vars(self->host, &pairs);
		igor_import_pairs(Z_ARRVAL_P(into), pairs, len);
	}
	igor_import_put(Z_ARRVAL_P(into), self->boot_environment);
	igor_import_put(Z_ARRVAL_P(into), self->environment);
}

void igor_environment_install(void)
{
	igor_original_getenv = igor_replace_function("getenv", igor_getenv);
	igor_original_putenv = igor_replace_function("putenv", igor_putenv);
	igor_original_import = php_import_environment_variables;
	php_import_environment_variables = igor_import;
}

/* ---- Child processes ----------------------------------------------------------------------------------------- */

/* Whether a child of this thread inherits other variables than those of the process. */
bool igor_environment_is_own(void)
{
	return igor_environment_is_cleared()
		|| (igor_self != NULL && (igor_self->environment != NULL || igor_self->boot_environment != NULL));
}

/* The number of variables that a table can add. */
static size_t igor_table_size(const HashTable *table)
{
	return table != NULL ? zend_hash_num_elements(table) : 0;
}

/* Adds the variables of a table that no earlier table has. */
static size_t igor_add_put(char **list, size_t at, HashTable *table, const HashTable *before)
{
	zend_string *name;
	zval *value;

	if (table == NULL) {
		return at;
	}
	ZEND_HASH_FOREACH_STR_KEY_VAL(table, name, value) {
		if (name != NULL && Z_TYPE_P(value) == IS_STRING && (before == NULL || !zend_hash_exists(before, name))
			&& asprintf(&list[at], "%s=%s", ZSTR_VAL(name), Z_STRVAL_P(value)) >= 0) {
			at++;
		}
	} ZEND_HASH_FOREACH_END();
	return at;
}

/* Adds the variables of the request that the script has not changed. */
static size_t igor_add_cleared(char **list, size_t at)
{
	size_t i;

	for (i = 0; i < igor_self->request.environment_len; i++) {
		const igor_pair *pair = &igor_self->request.environment[i];

		if (igor_put(igor_self, pair->name, pair->name_len) == NULL
			&& asprintf(&list[at], "%s=%s", pair->name, pair->value) >= 0) {
			at++;
		}
	}
	return at;
}

/* Adds the variables of the process that the script has not changed. */
static size_t igor_add_of_process(char **list)
{
	char **variable;
	size_t at = 0;

	for (variable = environ; variable != NULL && *variable != NULL; variable++) {
		size_t len = strcspn(*variable, "=");

		if (igor_put(igor_self, *variable, len) == NULL) {
			list[at++] = *variable;
		}
	}
	return at;
}

/* The variables of the process and of the script, in the form of exec(). NULL: no memory. The strings from `*own` on
 * belong to the list, the others to the process. */
char **igor_environment_list(size_t *own)
{
	size_t count = igor_table_size(igor_self->environment) + igor_table_size(igor_self->boot_environment)
		+ igor_self->request.environment_len + 1;
	size_t at = 0;
	char **variable, **list;

	for (variable = environ; variable != NULL && *variable != NULL; variable++) {
		count++;
	}
	list = calloc(count, sizeof(char *));
	if (list == NULL) {
		return NULL;
	}
	if (!igor_environment_is_cleared()) {
		at = igor_add_of_process(list);
	}
	*own = at;
	if (igor_environment_is_cleared()) {
		at = igor_add_cleared(list, at);
	}
	at = igor_add_put(list, at, igor_self->environment, NULL);
	igor_add_put(list, at, igor_self->boot_environment, igor_self->environment);
	return list;
}

void igor_environment_list_free(char **list, size_t own)
{
	size_t i;

	for (i = own; list[i] != NULL; i++) {
		free(list[i]);
	}
	free(list);
}

/* In a forked child, which has only this thread: programs that it executes, and C code, should see all variables. */
void igor_environment_adopt(void)
{
	size_t own;
	char **list = igor_environment_is_own() ? igor_environment_list(&own) : NULL;

	if (list != NULL) {
		environ = list;
	}
}
