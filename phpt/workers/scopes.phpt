--TEST--
B7, B17: the script sees the scope of the first block, and no other
--INI--
igor.config={PWD}/scopes.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('feed');
echo frankenphp_get_vars('feed')['name'], "\n";
failure(fn () => frankenphp_require_background_worker('other'));
failure(fn () => frankenphp_require_background_worker('global'));
?>
--EXPECT--
x
