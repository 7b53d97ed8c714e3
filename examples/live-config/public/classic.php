<?php

declare(strict_types=1);

// The classic way: the script runs once for each request, and reads the same snapshot.

require __DIR__ . '/../lib/Page.php';

// Costs nothing once the settings are there.
frankenphp_require_background_worker('settings', 5.0);

(new Page('classic'))->answer();
