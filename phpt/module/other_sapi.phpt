--TEST--
In another SAPI than cli the configuration is not used
--SKIPIF--
<?php
if (!is_executable(dirname(PHP_BINARY) . '/php-cgi')) die('skip there is no php-cgi beside this php');
?>
--FILE--
<?php
$config = escapeshellarg(__DIR__ . '/feed.Caddyfile');
$file = escapeshellarg(__DIR__ . '/other_sapi.inc');
// Without what would make it answer a request.
passthru('env -i ' . escapeshellarg(dirname(PHP_BINARY) . '/php-cgi') . ' -q ' . getenv('TEST_PHP_EXTRA_ARGS') . " -d igor.config=$config $file 2>&1 </dev/null");
?>
--EXPECTF--
cgi-fcgi
bool(false)
%AConfiguration%snone: background workers run beside the SAPI cli alone%A
