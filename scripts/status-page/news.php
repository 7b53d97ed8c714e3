<?php
// Publishes the first line of a file again and again, with values of several types.
$handle = frankenphp_get_worker_handle();
stream_set_blocking($handle, false);
do {
    frankenphp_set_vars([
        'title' => trim((string) @file_get_contents(__DIR__ . '/title')),
        'database' => ['host' => 'db.internal', 'password' => 'hunter2'],
        'limits' => ['per_minute' => 120, 'discount' => 0.15, 'open' => true],
        'countries' => ['DE', 'FR', 'SE'],
    ]);
    // Not by stream_select(), which takes no descriptors from 1024 on: 500 workers have more.
    usleep(100_000);
    fread($handle, 1);
} while (!feof($handle));
