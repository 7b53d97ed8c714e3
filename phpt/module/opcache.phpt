--TEST--
A worker beside a script with opcache and its JIT
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
?>
--EXPECT--
bool(true)
