<?php

declare(strict_types=1);

// Publishes the options in options.json, and does so again when the file changes. A file that is not valid keeps the last
// good options.

const SECONDS_BETWEEN_LOOKS = 1;

$file = __DIR__ . '/options.json';
$handle = frankenphp_get_worker_handle();
$complained = null;
do {
    $options = json_decode((string) @file_get_contents($file), true);
    if (is_array($options)) {
        frankenphp_set_vars(['options' => $options]);
        $complained = null;
    } elseif ($complained !== ($problem = "$file: " . (is_readable($file) ? json_last_error_msg() : 'cannot be read'))) {
        error_log($problem);
        $complained = $problem;
    }
    $readable = [$handle];
    $none = null;
} while (stream_select($readable, $none, $none, SECONDS_BETWEEN_LOOKS) === 0);
