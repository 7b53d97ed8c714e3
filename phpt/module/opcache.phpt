--TEST--
A worker, and programs, beside a script with opcache and its JIT
--EXTENSIONS--
opcache
--INI--
igor.config={PWD}/feed.Caddyfile
opcache.enable=1
opcache.enable_cli=1
opcache.jit=tracing
opcache.jit_buffer_size=16M
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('feed');
$count = frankenphp_get_vars('feed')['count'];
wait_until('the worker publishes again', fn () => frankenphp_get_vars('feed')['count'] > $count);
var_dump(opcache_get_status(false)['opcache_enabled']);
// opcache has put the names of all functions elsewhere since the module has replaced some.
var_dump(exec('echo a program'), (shell_exec(...))('echo another'));
?>
--EXPECT--
bool(true)
string(9) "a program"
string(8) "another
"
