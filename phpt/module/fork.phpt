--TEST--
B10: a forked child reads what was published before the fork; the workers are its parent's
--EXTENSIONS--
pcntl
--INI--
igor.config={PWD}/feed.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('feed');
$before = frankenphp_get_vars('feed')['count'];
register_shutdown_function(function () use (&$child) {
    echo $child === 0 ? 'child' : 'parent', " shuts down\n";
});
$child = pcntl_fork();
if ($child === 0) {
    $count = frankenphp_get_vars('feed')['count'];
    usleep(50_000);
    var_dump($count >= $before, frankenphp_get_vars('feed')['count'] === $count);
    // What is ready stays ready.
    frankenphp_require_background_worker('feed', 0.001);
    failure(fn () => frankenphp_ensure_background_worker(['feed', 'silent']));
    failure(fn () => frankenphp_require_background_worker('unknown'));
    exit(7);
}
pcntl_waitpid($child, $status);
var_dump(pcntl_wifexited($status), pcntl_wexitstatus($status));
$count = frankenphp_get_vars('feed')['count'];
wait_until('the worker goes on', fn () => frankenphp_get_vars('feed')['count'] > $count);
?>
--EXPECT--
bool(true)
bool(true)
RuntimeException: background worker "silent" cannot be waited for in a forked process: its thread runs in the process that was forked; wait for it before the fork
RuntimeException: background worker "unknown" is not declared in scope ":0" (declared there: "feed", "silent"); declare it with `worker { file … background name unknown }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
child shuts down
bool(true)
int(7)
parent shuts down
