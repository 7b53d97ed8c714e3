<?php
// Each thread adds itself to the array that they all publish, until it contains every thread.
$handle = frankenphp_get_worker_handle();
$lock = fopen(__FILE__, 'r');
flock($lock, LOCK_EX);
try {
    $threads = frankenphp_get_vars('pool')['threads'];
} catch (RuntimeException) {
    $threads = [];
}
$threads[] = basename(readlink('/proc/thread-self'));
frankenphp_set_vars(['threads' => $threads]);
flock($lock, LOCK_UN);
fgets($handle);
