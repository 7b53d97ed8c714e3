<?php

// make bench-stores: what elements of stores and tasks cost, beside snapshots, APCu and Redis in the same run; see
// docs/benchmarks.md. Arguments: the folder of the program, and the file for the results.
require __DIR__ . '/lib.php';
require __DIR__ . '/report.php';

[, $binaries, $results] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 5);
$apcu = (string) getenv('BENCH_APCU');
$scratch = scratch_folder();
$report = new Report(conditions($rounds));

[$redis_socket, $store_socket] = ["$scratch/redis.sock", "$scratch/store.sock"];
$redis_port = free_port();
$redis = new Server(['redis-server', '--bind', '127.0.0.1', '--port', (string) $redis_port, '--unixsocket', $redis_socket,
    '--save', '', '--appendonly', 'no', '--dir', $scratch], $redis_port);
$port = free_port();
$igor = new Server(["$binaries/igor", 'run', '--config', __DIR__ . '/stores/Caddyfile'], $port, [
    'BENCH_PORT' => (string) $port,
    'BENCH_ROOT' => __DIR__ . '/stores',
    'BENCH_STORE' => $store_socket,
    'BENCH_EXTENSION' => $apcu === '' ? '' : "php_ini extension $apcu",
]);
$consumer = proc_open([PHP_BINARY, '-n', __DIR__ . '/stores/consumer.php', $redis_socket],
    [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], STDERR], $pipes);
register_shutdown_function(static fn () => proc_terminate($consumer));

$measured = [];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    $measured[] = $igor->get("/measure.php?redis=$redis_socket&store=$store_socket");
}
$of = static fn (string $name): array => array_map(floatval(...), array_column($measured, $name));

$report->section('read of an element, of frankenphp_get_vars() with as many elements');
foreach ([10, 1_000, 100_000] as $size) {
    $report->ratio(number_format($size) . ' elements', $of("store-$size"), $of("vars-$size"), Target::atMost(1.5));
}
$report->section('read of an element, of apcu_fetch()');
foreach ($apcu === '' ? [] : [10, 1_000, 100_000] as $size) {
    $report->ratio(number_format($size) . ' elements', $of("store-$size"), $of("apcu-$size"));
}
$apcu === '' ? $report->missing('apcu_fetch()', 'APCu could not be built') : $report->ratio('an integer', $of('store-int'), $of('apcu-int'));
$report->section('increment');
$apcu === '' ?: $report->ratio('of apcu_inc()', $of('store-increment'), $of('apcu-increment'));
$report->ratio('of INCR in Redis over a unix socket', $of('store-increment'), $of('redis-increment'));
$report->ratio('INCR on the Redis port, of the same in Redis', $of('port-increment'), $of('redis-increment'));
$report->section('round trips a second of a task, of a Redis list with a blocking consumer');
$rate = static fn (array $times): array => array_map(static fn (float $ns): float => 1e9 / $ns, $times);
$report->ratio('a small array there and back', $rate($of('task')), $rate($of('redis-task')), Target::atLeast(10), '1/s');

/** Requests per second of a command, as redis-benchmark counts them. */
function redis_benchmark(string $socket, int $pipeline, string ...$command): float
{
    $words = implode(' ', array_map(escapeshellarg(...), $command));
    $output = (string) shell_exec("redis-benchmark -s $socket -q -c 50 -n 100000 -P $pipeline -r 10000 $words 2>&1");
    if (!preg_match('~([\d.]+) requests per second~', $output, $found)) {
        fwrite(STDERR, "redis-benchmark failed: $output\n");
        exit(1);
    }

    return (float) $found[1];
}

$commands = [['SET', 'key:__rand_int__', 'value'], ['GET', 'key:__rand_int__'], ['INCR', 'counter:__rand_int__'],
    ['MSET', 'a:__rand_int__', '1', 'b:__rand_int__', '2', 'c:__rand_int__', '3']];
foreach ([1, 16] as $pipeline) {
    $report->section("the Redis port, of redis-server, by redis-benchmark with 50 clients and a pipeline of $pipeline");
    foreach ($commands as $command) {
        $own = $theirs = [];
        for ($round = 0; $round < $rounds; $round++) {
            $own[] = redis_benchmark($store_socket, $pipeline, ...$command);
            $theirs[] = redis_benchmark($redis_socket, $pipeline, ...$command);
        }
        $report->ratio($command[0], $own, $theirs, Target::atLeast(0.5), '1/s');
    }
}
$report->summary();
$report->save($results);
