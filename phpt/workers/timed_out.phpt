--TEST--
B15, B18: a worker that is not ready in time
--INI--
igor.config={PWD}/unpublished.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

foreach ([0.0005, 0.02, 0.25] as $timeout) {
    $before = hrtime(true);
    failure(fn () => frankenphp_require_background_worker('silent', $timeout));
    $waited = (hrtime(true) - $before) / 1e9;
    var_dump($waited >= $timeout, $waited < 10);
}
failure(fn () => frankenphp_ensure_background_worker(['feed', 'silent'], 0.2));
?>
--EXPECTF--
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" was not ready after %f s: the script runs, but has not called frankenphp_set_vars() yet
bool(true)
bool(true)
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" was not ready after %f s: the script runs, but has not called frankenphp_set_vars() yet
bool(true)
bool(true)
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" was not ready after %f s: the script runs, but has not called frankenphp_set_vars() yet
bool(true)
bool(true)
RuntimeException: background worker "silent" (%s/workers/silent.worker.php) in scope ":0" was not ready after %f s: the script runs, but has not called frankenphp_set_vars() yet
