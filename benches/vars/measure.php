<?php

/**
 * Nanoseconds of one call of `$run`, which makes `$times` of them, without the loop around it. The least of several tries:
 * whatever else the machine does only ever adds.
 */
function per_call(callable $run, int $times): float
{
    $calls = $loop = INF;
    for ($try = 0; $try < 10; $try++) {
        $start = hrtime(true);
        $run($times);
        $calls = min($calls, hrtime(true) - $start);
        $start = hrtime(true);
        for ($i = 0; $i < $times; $i++) {
        }
        $loop = min($loop, hrtime(true) - $start);
    }

    return ($calls - $loop) / $times;
}

/** What one thread measures of repeated reads: the yardstick and a read of each size, in one round. */
function measure_reads(array $sizes, int $times): array
{
    $round = ['nothing' => per_call(static function (int $times): void {
        for ($i = 0; $i < $times; $i++) {
            igor_bench_nothing('size-10');
        }
    }, $times)];
    foreach ($sizes as $size) {
        $name = "size-$size";
        frankenphp_get_vars($name);
        $round["read-$size"] = per_call(static function (int $times) use ($name): void {
            for ($i = 0; $i < $times; $i++) {
                frankenphp_get_vars($name);
            }
        }, $times);
    }

    return $round;
}
