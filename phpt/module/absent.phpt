--TEST--
B44: without a configuration the module is there and its functions are not
--FILE--
<?php
require __DIR__ . '/run.inc';

$functions = ['get_worker_handle', 'require_background_worker', 'ensure_background_worker', 'set_vars', 'get_vars', 'log'];
var_dump(extension_loaded('igor'), ini_get('igor.config'));
var_dump(array_filter($functions, fn ($name) => function_exists("frankenphp_$name")));
// It is the administrator's.
var_dump(@ini_set('igor.config', __DIR__ . '/feed.Caddyfile'));
echo run_php('--ri igor')[1];
?>
--EXPECTF--
bool(true)
string(0) ""
array(0) {
}
bool(false)

igor

igor => enabled
Version => %d.%d.%d
PHP API => API%d,TS%S
Configuration => none: igor.config names no Caddyfile

Directive => Local Value => Master Value
igor.config => no value => no value
