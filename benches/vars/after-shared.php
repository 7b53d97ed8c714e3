<?php

// In an HTTP worker: the first read of a large snapshot after a publish, and the first read of another one with 1,000
// elements, which was published right after it. They take turns in being read first, and only the first counts: it pays
// for the caches that the publishers have filled with their own. The script ends after each request, so that the versions
// that it has seen do not add up.
require __DIR__ . '/conductor.php';

function measure_shared(): array
{
    $large = new Conductor($_GET['socket']);
    $companion = new Conductor("{$_GET['socket']}.companion");
    $large->order("make {$_GET['size']}");
    $companion->order('make 1000');
    $times = ['large' => [], 'companion' => []];
    for ($i = 0; $i < 2 * ($_GET['times'] + 1); $i++) {
        $large->order('publish');
        $companion->order('publish');
        $start = hrtime(true);
        if ($i % 2 === 0) {
            frankenphp_get_vars('commanded');
            $times['large'][] = hrtime(true) - $start;
            frankenphp_get_vars('companion');
        } else {
            frankenphp_get_vars('companion');
            $times['companion'][] = hrtime(true) - $start;
            frankenphp_get_vars('commanded');
        }
    }
    unset($times['large'][0], $times['companion'][0]);

    return array_map(middle(...), $times) + ['bytes' => igor_bench_snapshot_bytes('commanded')];
}

frankenphp_ensure_background_worker(['commanded', 'companion']);
frankenphp_handle_request(static function (): void {
    echo json_encode(measure_shared());
});
