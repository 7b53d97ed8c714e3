/* Defaults for a server that differ from PHP's command line. */
#include "internal.h"

#include <php_ini.h>

#include <string.h>
#include <syslog.h>

static void igor_ini_default(HashTable *configuration, const char *name, const char *value)
{
	zval entry;

	/* Persistent, like php.ini's own values, which may replace it. */
	ZVAL_NEW_STR(&entry, zend_string_init(value, strlen(value), 1));
	zend_hash_str_update(configuration, name, strlen(name), &entry);
}

/* The table of PHP's configuration; NULL if Igor's defaults do not apply. */
static HashTable *igor_configuration;

/* The least value of opcache.memory_consumption, and the size of its tables for 50,000 files, without scripts and texts.
 * MiB. */
#define IGOR_OPCACHE_MEBIBYTES_MIN 8
#define IGOR_OPCACHE_TABLES_MEBIBYTES 4

/* Defaults for a server that differ from PHP's command line. Comes before php.ini, which wins. */
void shim_sapi_ini_defaults(void *configuration)
{
	igor_configuration = configuration;
	igor_ini_default(configuration, "display_errors", "0");
	igor_ini_default(configuration, "log_errors", "1");
	/* A full cache stops every script for a restart (opcache.c). Unused memory costs only address space. */
	igor_ini_default(configuration, "opcache.memory_consumption", "256");
	igor_ini_default(configuration, "opcache.max_accelerated_files", "50000");
}

/* The configured MiB; -1: not configured. */
static zend_long igor_configured_mebibytes(const char *name)
{
	const zval *entry = cfg_get_entry(name, strlen(name));

	return entry != NULL && Z_TYPE_P(entry) == IS_STRING ? ZEND_STRTOL(Z_STRVAL_P(entry), NULL, 10) : -1;
}

/* opcache exits the process if its buffer for strings does not fit into its memory. Called when the whole configuration has
 * been read and opcache has not started. */
void igor_opcache_fit(void)
{
	static const char buffer[] = "opcache.interned_strings_buffer";
	zend_long memory, asked, fits;
	char text[256];

	if (igor_configuration == NULL) {
		return;
	}
	memory = MAX(igor_configured_mebibytes("opcache.memory_consumption"), IGOR_OPCACHE_MEBIBYTES_MIN);
	asked = igor_configured_mebibytes(buffer);
	if (asked >= 0 && asked <= memory - IGOR_OPCACHE_TABLES_MEBIBYTES) {
		return;
	}
	fits = MIN(memory / 4, 32);
	if (asked > 0) {
		snprintf(text, sizeof(text), "PHP Warning:  %s " ZEND_LONG_FMT " does not fit into opcache.memory_consumption " ZEND_LONG_FMT
			", so " ZEND_LONG_FMT " is taken; raise the memory", buffer, asked, memory, fits);
		php_log_err_with_severity(text, LOG_WARNING);
	}
	snprintf(text, sizeof(text), ZEND_LONG_FMT, fits);
	igor_ini_default(igor_configuration, buffer, text);
}
