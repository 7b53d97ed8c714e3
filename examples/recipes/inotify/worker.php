<?php

declare(strict_types=1);

// Publishes what the *.json files of a folder hold, as `file name => content`, and does so again whenever one changes. The
// program inotifywait (Debian's inotify-tools) reports changes; the kernel wakes it, so nothing is read without a reason.

/** Editors and deployments write several files in a row: what comes within this time is one change. */
const QUIET_SECONDS = 0.05;
/** A stream of changes without an end must not keep the newest of them from being seen. */
const CHANGES_MAX = 100;

/** A file that is not valid keeps its last good content. */
function read_folder(string $folder, array $before): array
{
    $files = [];
    foreach (glob("$folder/*.json") as $path) {
        $name = basename($path, '.json');
        try {
            $files[$name] = json_decode((string) @file_get_contents($path), true, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException $error) {
            frankenphp_log("$path: {$error->getMessage()}", 4);
            $files[$name] = $before[$name] ?? null;
        }
    }
    return $files;
}

/** The first of the streams that has something to read within this time; without a time it waits for ever. */
function readable(array $streams, ?float $seconds = null): mixed
{
    $none = null;
    $us = $seconds === null ? null : (int) (fmod($seconds, 1) * 1e6);
    stream_select($streams, $none, $none, $seconds === null ? null : (int) $seconds, $us);
    return $streams === [] ? null : reset($streams);
}

$folder = getenv('FOLDER') ?: __DIR__ . '/settings';
// In place or by a rename: both are ways to save a file.
$command = ['inotifywait', '--monitor', '--event', 'close_write,moved_to,moved_from,delete', $folder];
$process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['redirect', 1]], $pipes);
if ($process === false) {
    throw new RuntimeException('starting inotifywait failed: is the package inotify-tools installed?');
}
$changes = $pipes[1];
$handle = frankenphp_get_worker_handle();
try {
    // From this line on no change is missed; what was there before is read after it.
    while (!str_starts_with($line = (string) fgets($changes), 'Watches established')) {
        if ($line === '') {
            throw new RuntimeException("inotifywait cannot watch $folder");
        }
    }
    stream_set_blocking($changes, false);
    $files = [];
    do {
        $files = read_folder($folder, $files);
        frankenphp_set_vars($files);
        $ready = readable([$handle, $changes]);
        for ($i = 0; $ready === $changes && $i < CHANGES_MAX; $i++) {
            fread($changes, 65536);
            if (feof($changes)) {
                throw new RuntimeException('inotifywait has ended');
            }
            $ready = readable([$handle, $changes], QUIET_SECONDS);
        }
    } while ($ready !== $handle);
} finally {
    proc_terminate($process);
}
