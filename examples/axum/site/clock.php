<?php

// A background worker: publishes the time, four times a second.
$handle = frankenphp_get_worker_handle();
do {
    frankenphp_set_vars(['time' => date('H:i:s'), 'worker' => getmypid()]);
    $read = [$handle];
    $write = $except = null;
} while (!stream_select($read, $write, $except, 0, 250_000));
