<?php

// Publishes version after version as fast as it can. Every part of a version names its number.

$handle = frankenphp_get_worker_handle();
for ($version = 1;; $version++) {
    $vars = ['version' => $version, 'list' => array_fill(0, 50, $version), 'text' => "version $version"];
    for ($key = 0; $key < 20; $key++) {
        $vars["key $key"] = ['deep' => ['deeper' => $version]];
    }
    frankenphp_set_vars($vars);
    if ($version % 100 === 0) {
        $readable = [$handle];
        $writable = $except = null;
        if (stream_select($readable, $writable, $except, 0) > 0) {
            break;
        }
    }
}
