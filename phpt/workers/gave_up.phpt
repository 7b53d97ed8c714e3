--TEST--
B19, B20, B47, B48: a worker that is given up says what ended it
--INI--
igor.config={PWD}/gave_up.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

foreach (['throws', 'exits', 'returns', 'fatal', 'memory', 'parse', 'dies'] as $name) {
    failure(fn () => frankenphp_require_background_worker($name, 10));
}
// Starting it again is a new life: the attempts are counted from 1.
failure(fn () => frankenphp_ensure_background_worker('exits', 10));
failure(fn () => frankenphp_get_vars('exits'));
?>
--EXPECTF--
x
