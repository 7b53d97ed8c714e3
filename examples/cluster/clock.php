<?php

// Runs on one instance at a time: publishes the time and the process that leads, four times a second.
$handle = frankenphp_get_worker_handle();
do {
    frankenphp_set_vars(['time' => date('H:i:s'), 'leader' => getmypid()]);
    $read = [$handle];
    $write = $except = null;
} while (!stream_select($read, $write, $except, 0, 250_000));
