--TEST--
B17: a name that is not declared
--INI--
igor.config={PWD}/basic.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

failure(fn () => frankenphp_require_background_worker('fed'));
failure(fn () => frankenphp_ensure_background_worker(['feed', 'fed']));
failure(fn () => frankenphp_get_vars('fed'));
failure(fn () => frankenphp_get_vars(['fed']));
// Nothing was started by a call that failed its check.
failure(fn () => frankenphp_get_vars('feed'));
?>
--EXPECT--
x
