--TEST--
The signals of the process are the script's; programs that a worker starts can be ended by them
--EXTENSIONS--
pcntl
--SKIPIF--
<?php
if (!is_readable('/proc/thread-self/status')) die('skip the blocked signals of a thread are read from /proc/thread-self, which only Linux has');
?>
--INI--
igor.config={PWD}/children.Caddyfile
--FILE--
<?php
frankenphp_require_background_worker('children');
$blocked = fn (string $mask, int $signal) => (bool) (hexdec(substr($mask, -8)) >> ($signal - 1) & 1);
foreach (frankenphp_get_vars('children') as $who => $mask) {
    foreach (['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGCHLD', 'SIGSEGV'] as $signal) {
        $blocked($mask, constant($signal)) && print("$who blocks $signal\n");
    }
}
?>
--EXPECT--
the worker blocks SIGHUP
the worker blocks SIGINT
the worker blocks SIGTERM
the worker blocks SIGCHLD
the worker again blocks SIGHUP
the worker again blocks SIGINT
the worker again blocks SIGTERM
the worker again blocks SIGCHLD
