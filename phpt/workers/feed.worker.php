<?php
// Publishes once and waits for the end.
frankenphp_set_vars(['name' => $_SERVER['FRANKENPHP_WORKER_NAME']]);
$read = [frankenphp_get_worker_handle()];
$none = null;
stream_select($read, $none, $none, null);
