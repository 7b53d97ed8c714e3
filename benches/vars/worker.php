<?php

// The same in an HTTP worker.
require __DIR__ . '/measure.php';

foreach ([10, 1000, 100000] as $size) {
    frankenphp_ensure_background_worker("size-$size", 300);
}
while (frankenphp_handle_request(static function (): void {
    echo json_encode(isset($_GET['count']) ? count_reads((int) $_GET['count']) : measure_reads(50_000));
})) {
}
