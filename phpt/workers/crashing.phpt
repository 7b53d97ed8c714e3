--TEST--
B12, B27, B37: what a worker published is read while it crashes, and after it was given up
--INI--
igor.config={PWD}/crashing.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('crashing');
$first = frankenphp_get_vars('crashing');
$reads = 0;
wait_until('the fourth crash', function () use (&$reads) {
    $vars = frankenphp_get_vars('crashing');
    if ($vars['list'] !== range(1, 1000)) {
        exit("a broken snapshot\n");
    }
    $reads++;
    return $vars['run'] >= 4;
});
var_dump($reads > 1, $first['list'] === range(1, 1000));
frankenphp_require_background_worker('crashing', 0.001);
var_dump(frankenphp_get_vars('crashing')['run'] >= 4);
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
