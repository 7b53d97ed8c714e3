--TEST--
FrankenPHP\WorkerHandle: the first tick makes a worker ready, also one that publishes nothing
--INI--
igor.config={PWD}/handle.Caddyfile
--FILE--
<?php
frankenphp_require_background_worker('ticking');
echo "ready\n";
try {
    frankenphp_get_vars('ticking');
} catch (RuntimeException $error) {
    var_dump(str_contains($error->getMessage(), '"ticking"'));
}
frankenphp_require_background_worker('woken');
echo "ready when woken\n";
?>
--EXPECT--
ready
bool(true)
ready when woken
