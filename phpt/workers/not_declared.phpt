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
--EXPECTF--
RuntimeException: background worker "fed" is not declared in scope ":0" (declared there: "feed", "prices"); declare it with `worker { file … background name fed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
RuntimeException: background worker "fed" is not declared in scope ":0" (declared there: "feed", "prices"); declare it with `worker { file … background name fed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
RuntimeException: background worker "fed" is not declared in scope ":0" (declared there: "feed", "prices"); declare it with `worker { file … background name fed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
RuntimeException: background worker "fed" is not declared in scope ":0" (declared there: "feed", "prices"); declare it with `worker { file … background name fed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
RuntimeException: background worker "feed" (%s/workers/feed.worker.php) in scope ":0" has published nothing: it has not been started; call frankenphp_ensure_background_worker() first, or declare it with `num 1`
