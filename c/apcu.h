/* What apcu.c and apcu_list.c share. */
#ifndef IGOR_APCU_H
#define IGOR_APCU_H

bool igor_apcu_open(uint64_t *id);
bool igor_apcu_value(const igor_stored *stored, zval *into);
zend_string *igor_apcu_key(zval *element);
bool igor_apcu_remove(uint64_t id, zend_string *key);

PHP_FUNCTION(apcu_enabled);
PHP_FUNCTION(apcu_clear_cache);
PHP_FUNCTION(apcu_store);
PHP_FUNCTION(apcu_add);
PHP_FUNCTION(apcu_fetch);
PHP_FUNCTION(apcu_exists);
PHP_FUNCTION(apcu_inc);
PHP_FUNCTION(apcu_dec);
PHP_FUNCTION(apcu_cas);
PHP_FUNCTION(apcu_entry);
PHP_FUNCTION(apcu_key_info);

#endif
