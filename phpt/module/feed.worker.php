<?php
/* Counts until it is asked to end, then reports that it has ended. */
$handle = frankenphp_get_worker_handle();
$count = 0;
do {
    frankenphp_set_vars(['count' => ++$count, 'name' => $_SERVER['FRANKENPHP_WORKER_NAME'], 'sapi' => PHP_SAPI]);
    $read = [$handle];
    $none = null;
} while (!stream_select($read, $none, $none, 0, 10_000));
if ($file = getenv('IGOR_PHPT_LEFT')) {
    file_put_contents($file, 'left');
}
