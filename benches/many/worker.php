<?php

// Publishes a new snapshot each second until the server ends.
$handle = frankenphp_get_worker_handle();
for ($version = 1;; $version++) {
    frankenphp_set_vars(['version' => $version, 'settings' => range($version, $version + 50)]);
    $readable = [$handle];
    $writable = $except = null;
    if (stream_select($readable, $writable, $except, 1)) {
        break;
    }
}
