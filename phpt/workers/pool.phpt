--TEST--
B3, B28, B40: the threads of a pool publish into one slot; a block without workers sees the global ones
--INI--
igor.config={PWD}/pool.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

// Started with the process, without being asked for.
$threads = wait_until('all threads have published', function () {
    try {
        $threads = frankenphp_get_vars('pool')['threads'];
        return count($threads) === 3 ? $threads : null;
    } catch (RuntimeException) {
        return null;
    }
});
var_dump(count(array_unique($threads)));
?>
--EXPECT--
int(3)
