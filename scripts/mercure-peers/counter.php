<?php

// Changes a large array a little, until the file `stop` is there.

$state = ['list' => range(1, 500), 'count' => ['value' => 0, 'begun' => true]];
frankenphp_set_vars($state);
$handle = frankenphp_get_worker_handle();
do {
    $read = [$handle];
    $write = $except = [];
    if (stream_select($read, $write, $except, 0, 10_000)) {
        exit;
    }
    if (is_file('stop')) {
        continue;
    }
    unset($state['count']['begun']);
    $state['count']['value']++;
    frankenphp_set_vars($state);
} while (true);
