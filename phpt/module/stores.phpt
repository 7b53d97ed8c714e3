--TEST--
Stores in a stock php: those of all blocks and of the first one, nothing of another process, and no apcu_* functions
--SKIPIF--
<?php
if (extension_loaded('apcu')) {
    die('skip the extension apcu is loaded, so its functions exist');
}
?>
--INI--
igor.config={PWD}/stores.Caddyfile
--FILE--
<?php
require __DIR__ . '/run.inc';
require __DIR__ . '/../include/wait.inc';

$config = __DIR__ . '/stores.Caddyfile';
foreach (['default', 'cache', 'own'] as $name) {
    $store = new FrankenPHP\SharedArray($name);
    var_dump($store->increment('runs'));
}
failure(fn () => new FrankenPHP\SharedArray('none'));
// A command has stores of its own.
echo implode(' ', run_code($config, 'echo (new FrankenPHP\SharedArray())->increment("runs");')), "\n";
if ($child = pcntl_fork()) {
    pcntl_waitpid($child, $status);
} else {
    failure(fn () => $store['runs']);
    exit;
}
var_dump($store['runs'], function_exists('apcu_fetch'));
[, $info] = run_php('-d igor.config=' . escapeshellarg($config) . ' --ri igor');
echo implode("\n", preg_grep('/^(Store|apcu)/', explode("\n", $info))), "\n";
?>
--EXPECTF--
int(1)
int(1)
int(1)
RuntimeException: store "none" is not declared (declared are %s); add %s
0 1
RuntimeException: a store cannot be used in a forked process
int(1)
bool(false)
Store default (global) => max_bytes %d, max_keys %d
Store cache (global) => max_bytes 1048576, max_keys 10
Store own (:0) => max_bytes %d, max_keys %d
apcu_* functions => not in the module; use FrankenPHP\SharedArray, or run the script with igor
