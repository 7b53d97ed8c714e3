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
feed
RuntimeException: background worker "other" is not declared in scope "first.test" (declared there: "feed"); declare it with `worker { file … background name other }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
RuntimeException: background worker "global" is not declared in scope "first.test" (declared there: "feed"); declare it with `worker { file … background name global }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
