--TEST--
B31: a worker that has published nothing
--INI--
igor.config={PWD}/unpublished.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

failure(fn () => frankenphp_get_vars('silent'));
failure(fn () => frankenphp_require_background_worker('silent', 0.05));
failure(fn () => frankenphp_get_vars('silent'));
frankenphp_require_background_worker('feed');
failure(fn () => frankenphp_get_vars(['feed', 'silent']));
?>
--EXPECTF--
x
