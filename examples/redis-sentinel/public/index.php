<?php

declare(strict_types=1);

// Counts its requests in Redis. During a failover a request waits for the new master instead of failing.

require __DIR__ . '/../lib/Master.php';

/** Longer than a failover takes, shorter than clients and proxies wait. */
const REQUEST_SECONDS = 15.0;

header('Content-Type: application/json');
header('Cache-Control: no-store');
$started = microtime(true);
try {
    // Returns at once when the worker has published, which it did shortly after the server's start.
    frankenphp_require_background_worker('redis-master', 5.0);
    $redis = new Master('redis-master', REQUEST_SECONDS);
    [$visits, $master] = $redis->run(static function (RedisConnection $connection, float $timeout): int {
        $connection->command($timeout, 'INCR', 'visits');
        return (int) $connection->command($timeout, 'GET', 'visits');
    });
    $answer = [
        'visits' => $visits,
        'master' => "{$master['host']}:{$master['port']}",
        'epoch' => $master['epoch'],
        'master_for_seconds' => round(microtime(true) - $master['since'], 1),
        'sentinels' => $master['sentinels'],
        'attempts' => $redis->attempts(),
        'waited_ms' => (int) round((microtime(true) - $started) * 1000),
    ];
} catch (RuntimeException $error) {
    http_response_code(503);
    header('Retry-After: 5');
    error_log($error->getMessage());
    $answer = ['error' => 'the counter is not available now; please try again in some seconds'];
}
echo json_encode($answer, JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES), "\n";
