<?php

// Repeated reads in one classic request.
require __DIR__ . '/measure.php';

foreach ([10, 1000, 100000] as $size) {
    frankenphp_ensure_background_worker("size-$size");
}
echo json_encode(measure_reads([10, 1000, 100000], 50_000));
