--TEST--
B41, B42: what a background worker finds in its environment
--INI--
igor.config={PWD}/environment.Caddyfile
--ENV--
IGOR_PHPT=from outside
--FILE--
<?php
frankenphp_ensure_background_worker(['named', 'demanded/name 1']);
$named = frankenphp_get_vars('named');
ksort($named['server']);
var_dump($named);
$demanded = frankenphp_get_vars('demanded/name 1');
var_dump($demanded['server']['FRANKENPHP_WORKER_NAME'], $demanded['argv'][0][1]);
// The script's own environment is another.
var_dump(getenv('OF_WORKER'), $_SERVER['FRANKENPHP_WORKER'] ?? null, $_SERVER['FRANKENPHP_WORKER_BACKGROUND'] ?? null);
?>
--EXPECTF--
x
