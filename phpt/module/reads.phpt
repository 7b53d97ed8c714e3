--TEST--
B25, B30, B34, B40: the script of a stock php reads what a worker beside it publishes
--INI--
igor.config={PWD}/feed.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('feed');
frankenphp_ensure_background_worker(['feed'], 10);
['count' => $count, 'name' => $name, 'sapi' => $sapi] = frankenphp_get_vars('feed');
var_dump($count > 0, $name, $sapi);
// A script that runs for long sees what is published meanwhile.
wait_until('the worker publishes again', fn () => frankenphp_get_vars('feed')['count'] > $count + 2);
var_dump(array_keys(frankenphp_get_vars(['feed'])));
failure(fn () => frankenphp_set_vars([]));
failure(fn () => frankenphp_get_worker_handle());
failure(fn () => frankenphp_get_vars('silent'));
var_dump(function_exists('frankenphp_handle_request'), $_SERVER['FRANKENPHP_WORKER'] ?? null);
?>
--EXPECTF--
bool(true)
string(4) "feed"
string(3) "cli"
array(1) {
  [0]=>
  string(4) "feed"
}
RuntimeException: frankenphp_set_vars() can only be called in a background worker
RuntimeException: frankenphp_get_worker_handle() can only be called in a background worker
RuntimeException: background worker "silent" (%s/silent.worker.php) in scope ":0" has published nothing: it has not been started; call frankenphp_ensure_background_worker() first, or declare it with `num 1`
bool(false)
NULL
