<?php

// The same in an HTTP worker, and the first read after a publish there.
require __DIR__ . '/measure.php';
require __DIR__ . '/data.php';

foreach ([10, 1000, 100000] as $size) {
    frankenphp_ensure_background_worker("size-$size");
}
while (frankenphp_handle_request(static function (): void {
    echo json_encode(measure_reads([10, 1000, 100000], 50_000));
})) {
}
