--TEST--
A signal that the script does not handle ends the process with its workers, and the exit status says so
--EXTENSIONS--
pcntl
posix
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip a process that ends by a signal frees nothing, which a memory checker would report');
?>
--FILE--
<?php
require __DIR__ . '/run.inc';

[$status, $output] = run_code(__DIR__ . '/feed.Caddyfile',
    "frankenphp_require_background_worker('feed'); posix_kill(getmypid(), SIGTERM); sleep(30);");
echo "$status $output\n";
?>
--EXPECT--
143 Terminated
