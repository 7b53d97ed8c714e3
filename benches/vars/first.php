<?php

// The first read of a fresh request, in nanoseconds; or what the request would do without us: unserialize() or
// apcu_fetch() of the same array.
$size = (int) $_GET['size'];
$name = "size-$size";
$what = $_GET['what'] ?? 'first';

if ($what === 'store') {
    frankenphp_ensure_background_worker($name);
    if (!function_exists('apcu_store') || !apcu_store($name, frankenphp_get_vars($name))) {
        exit(json_encode(['stored' => false]));
    }
    exit(json_encode(['stored' => true, 'version' => phpversion('apcu')]));
}
$serialized = $what === 'unserialize' ? serialize(frankenphp_get_vars($name)) : '';
$timer = hrtime(true);
$timer = hrtime(true) - $timer;
$start = hrtime(true);
$vars = match ($what) {
    'first' => frankenphp_get_vars($name),
    'unserialize' => unserialize($serialized),
    'apcu_fetch' => apcu_fetch($name),
};
$took = hrtime(true) - $start;
echo json_encode(['ns' => max(1, $took - $timer), 'count' => count($vars)]);
