<?php
// A worker that fails until it is mended.
if (!is_file(__DIR__ . '/mended')) {
    throw new RuntimeException('the disk is full');
}
frankenphp_set_vars(['mended' => true]);
fgets(frankenphp_get_worker_handle());
