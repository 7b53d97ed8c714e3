<?php

// Publishes arrays of each size again and again, beside serialize() and ===, and publishes the times, in nanoseconds, as its
// snapshot. The least of several tries counts: whatever else the machine does only ever adds.
require __DIR__ . '/data.php';

function least(Closure $run, int $times, ?Closure $before = null): float
{
    $least = INF;
    for ($try = 0; $try < 3; $try++) {
        $before && $before();
        $start = hrtime(true);
        $run($times);
        $least = min($least, (hrtime(true) - $start) / $times);
    }

    return $least;
}

function measure(int $size): array
{
    $times = max(2, intdiv(50_000, $size));
    $a = records($size, 1);
    $b = records($size, 2);
    $same = records($size, 1);

    return [
        'serialize' => least(static function (int $times) use ($a): void {
            for ($i = 0; $i < $times; $i++) {
                serialize($a);
            }
        }, $times),
        'publish' => least(static function (int $times) use ($a, $b): void {
            for ($i = 0; $i < $times; $i++) {
                frankenphp_set_vars($i % 2 ? $a : $b);
            }
        }, $times, static fn () => frankenphp_set_vars($a)),
        'unchanged' => least(static function (int $times) use ($same): void {
            for ($i = 0; $i < $times; $i++) {
                frankenphp_set_vars($same);
            }
        }, $times, static fn () => frankenphp_set_vars($a)),
        'identity' => least(static function (int $times) use ($a, $same): void {
            $identical = true;
            for ($i = 0; $i < $times; $i++) {
                $identical = $identical && $a === $same;
            }
        }, $times),
    ];
}

$rounds = [];
for ($round = 0; $round < (int) $_SERVER['BENCH_ROUNDS']; $round++) {
    foreach ([10, 1000, 100000] as $size) {
        $rounds[$size][] = measure($size);
    }
}
frankenphp_set_vars(['rounds' => $rounds]);

$read = [frankenphp_get_worker_handle()];
$write = $except = null;
stream_select($read, $write, $except, null);
