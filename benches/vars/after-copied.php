<?php

// In an HTTP worker: the first read of a small snapshot after a publish, and the engine's array_dup() of a literal array of
// the same content, each in the same state: just woken by the publisher's answer.
require __DIR__ . '/conductor.php';

function measure_copied(): array
{
    $publisher = new Conductor($_GET['socket']);
    $publisher->order("make {$_GET['size']}");
    $literal = require $_GET['literal'];
    $reads = $copies = [];
    $read = $copy = null;
    for ($i = 0; $i <= (int) $_GET['times']; $i++) {
        $publisher->order($_GET['publish']);
        $start = hrtime(true);
        $read = frankenphp_get_vars('commanded');
        $reads[] = hrtime(true) - $start;
        $publisher->order($_GET['publish']);
        $start = hrtime(true);
        $copy = igor_bench_array_dup($literal);
        $copies[] = hrtime(true) - $start;
    }
    // The first of each replaces nothing, unlike all others.
    unset($reads[0], $copies[0]);

    return ['read' => middle($reads), 'array_dup' => middle($copies), 'bytes' => igor_bench_snapshot_bytes('commanded'),
        'counts' => [count($read), count($copy)]];
}

frankenphp_ensure_background_worker('commanded');
while (frankenphp_handle_request(static function (): void {
    echo json_encode(measure_copied());
})) {
}
