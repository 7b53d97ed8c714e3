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
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" has published nothing: it has not been started; call frankenphp_ensure_background_worker() first, or declare it with `num 1`
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" was not ready after %f s: the script runs, but has not called frankenphp_set_vars() yet
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" has published nothing: it runs, but has not called frankenphp_set_vars() yet; wait for it with frankenphp_ensure_background_worker()
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" has published nothing: it runs, but has not called frankenphp_set_vars() yet; wait for it with frankenphp_ensure_background_worker()
