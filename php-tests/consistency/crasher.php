<?php

// Publishes one version and crashes, each time in another way.

$path = getenv('DIR') . '/crashes';
$version = (int) @file_get_contents($path) + 1;
file_put_contents($path, $version);
frankenphp_set_vars(['version' => $version, 'list' => array_fill(0, 50, $version), 'text' => "version $version"]);

switch ($version % 3) {
    case 0:
        exit(1);
    case 1:
        throw new RuntimeException("crash $version");
    case 2:
        ini_set('memory_limit', '8M');
        str_repeat('x', 64 << 20);
}
