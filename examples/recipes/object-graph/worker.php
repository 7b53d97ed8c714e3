<?php

declare(strict_types=1);

require_once __DIR__ . '/src/catalogue.php';

// Publishes the products of a file whenever it has changed.
$file = __DIR__ . '/' . getenv('CATALOGUE');
$handle = frankenphp_get_worker_handle();
$published = null;
do {
    clearstatcache();
    $changed = [filemtime($file), filesize($file)];
    if ($changed !== $published) {
        frankenphp_set_vars(['products' => ObjectGraph::toArray(products_of($file))]);
        $published = $changed;
    }
    $readable = [$handle];
    $none = null;
} while (stream_select($readable, $none, $none, 1) === 0);
