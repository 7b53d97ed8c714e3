<?php

declare(strict_types=1);

// An HTTP worker: the script starts once and then answers one request after the other.

require __DIR__ . '/../lib/Page.php';

// Before the first request: does not return before the settings have been published.
frankenphp_require_background_worker('settings');

$page = new Page('HTTP worker');
while (frankenphp_handle_request($page->answer(...))) {
}
