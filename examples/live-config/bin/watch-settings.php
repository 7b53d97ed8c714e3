<?php

declare(strict_types=1);

// The background worker "settings": publishes the content of settings.json, and does so again whenever it changes.

require __DIR__ . '/../lib/FileWatch.php';
require __DIR__ . '/../lib/SettingsFile.php';

$file = $_SERVER['SETTINGS_FILE'] ?? dirname(__DIR__) . '/settings.json';
$settings = new SettingsFile($file);
$watch = new FileWatch(dirname($file));

// What an earlier run of this script published is still there: a restart neither loses the last good settings nor counts
// as a change.
try {
    $snapshot = frankenphp_get_vars($_SERVER['FRANKENPHP_WORKER_NAME']);
} catch (RuntimeException) {
    $snapshot = null;
}

$handle = frankenphp_get_worker_handle();
do {
    $snapshot = $settings->look($snapshot);
    if ($snapshot !== null) {
        // Costs next to nothing while the snapshot is the same.
        frankenphp_set_vars(['watched_by' => $watch->method()] + $snapshot);
    }
} while ($watch->wait($handle, $settings->isUnsettled()));
