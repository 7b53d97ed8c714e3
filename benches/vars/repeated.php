<?php

// Repeated reads in one classic request: measured, or counted under Callgrind.
require __DIR__ . '/measure.php';

foreach ([10, 1000, 100000] as $size) {
    frankenphp_ensure_background_worker("size-$size", 300);
}
echo json_encode(isset($_GET['count']) ? count_reads((int) $_GET['count']) : measure_reads(50_000));
