<?php

// Publishes one snapshot of as many elements as the name says ("size-1000"), and waits for the end.
require __DIR__ . '/data.php';

$name = $_SERVER['FRANKENPHP_WORKER_NAME'];
frankenphp_set_vars(records((int) substr($name, 5)));

$read = [frankenphp_get_worker_handle()];
$write = $except = null;
stream_select($read, $write, $except, null);
