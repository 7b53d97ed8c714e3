<?php
// Each thread adds itself to what all of them publish together, until all are there.
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
