<?php

declare(strict_types=1);

// The background worker "redis-master": follows Redis Sentinels and publishes the address of the master:
//
//     host, port  where the master is
//     epoch       the number of Sentinel's configuration: it grows with every failover
//     since       when this script learned of it, in seconds since 1970
//     sentinels   address => null, or why that Sentinel cannot be asked
//
// Environment: REDIS_SENTINELS (host:port, separated by commas) and REDIS_MASTER_NAME.

require __DIR__ . '/../lib/Resp.php';
require __DIR__ . '/../lib/Sentinel.php';

/** Sentinels that heard of the newest failover know best; the others are about to hear of it. */
function newest_view(array $sentinels): ?array
{
    $newest = null;
    foreach ($sentinels as $sentinel) {
        $master = $sentinel->master();
        if ($master !== null && $master['epoch'] > ($newest['epoch'] ?? -1)) {
            $newest = $master;
        }
    }
    return $newest;
}

function publish(?array $master, array $sentinels): void
{
    static $published = null;
    if ($master === null && $published === null) {
        // Nothing known yet: a script that requires this worker keeps waiting.
        return;
    }
    // When no Sentinel answers, the last known master is the best guess.
    $master ??= array_intersect_key($published, ['host' => 0, 'port' => 0, 'epoch' => 0]);
    $moved = [$master['host'], $master['port']] !== [$published['host'] ?? null, $published['port'] ?? null];
    $snapshot = $master + ['since' => $moved ? microtime(true) : $published['since'], 'sentinels' => []];
    foreach ($sentinels as $sentinel) {
        $snapshot['sentinels'][$sentinel->name()] = $sentinel->trouble();
    }
    if ($moved) {
        frankenphp_log("the Redis master is {$master['host']}:{$master['port']}", 0, ['epoch' => $master['epoch']]);
    }
    // Costs next to nothing while the snapshot is the same.
    frankenphp_set_vars($snapshot);
    $published = $snapshot;
}

$sentinels = [];
foreach (explode(',', getenv('REDIS_SENTINELS')) as $address) {
    if (!preg_match('/^\s*(?<host>\S+):(?<port>\d{1,5})\s*$/D', $address, $part)) {
        throw new InvalidArgumentException("REDIS_SENTINELS: \"$address\" is not host:port");
    }
    $sentinels[] = new Sentinel(trim($part['host'], '[]'), (int) $part['port'], getenv('REDIS_MASTER_NAME'));
}

$handle = frankenphp_get_worker_handle();
while (true) {
    foreach ($sentinels as $sentinel) {
        $sentinel->tick();
    }
    publish(newest_view($sentinels), $sentinels);

    // Sleeps until a Sentinel reports something, one is to be asked again, or the server wants this script to end.
    $readable = [$handle];
    foreach ($sentinels as $number => $sentinel) {
        if ($sentinel->stream() !== null) {
            $readable["sentinel $number"] = $sentinel->stream();
        }
    }
    $writable = $exceptional = null;
    $idle = min(array_map(static fn (Sentinel $sentinel): float => $sentinel->idleSeconds(), $sentinels));
    if (stream_select($readable, $writable, $exceptional, (int) $idle, (int) (fmod($idle, 1) * 1e6)) === false
        || in_array($handle, $readable, true)) {
        break;
    }
    foreach ($sentinels as $number => $sentinel) {
        if (isset($readable["sentinel $number"])) {
            $sentinel->receive();
        }
    }
}
