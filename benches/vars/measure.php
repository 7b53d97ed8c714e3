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

/**
 * The calls that are compared, each in a loop: the yardstick, and reads of each size by a literal name, as one writes them.
 *
 * @return array<string, Closure(int): void>
 */
function calls(): array
{
    return [
        'nothing' => static function (int $times): void {
            for ($i = 0; $i < $times; $i++) {
                igor_bench_nothing('size-10');
            }
        },
        'read-10' => static function (int $times): void {
            for ($i = 0; $i < $times; $i++) {
                frankenphp_get_vars('size-10');
            }
        },
        'read-1000' => static function (int $times): void {
            for ($i = 0; $i < $times; $i++) {
                frankenphp_get_vars('size-1000');
            }
        },
        'read-100000' => static function (int $times): void {
            for ($i = 0; $i < $times; $i++) {
                frankenphp_get_vars('size-100000');
            }
        },
    ];
}

/** What one thread measures of repeated reads in one round: nanoseconds of a call. */
function measure_reads(int $times): array
{
    return array_map(static fn (Closure $call): float => per_call($call, $times), calls());
}

/**
 * Runs each of the calls, and an empty loop, `$times` times and twice as often, for Callgrind to count. What it counts
 * for the second less the first is `$times` turns of the loop alone. Returns the names in the order in which it ran them.
 */
function count_reads(int $times): array
{
    $calls = ['loop' => static function (int $times): void {
        for ($i = 0; $i < $times; $i++) {
        }
    }] + calls();
    foreach ($calls as $call) {
        // What a first call does once is not counted.
        $call(1);
        igor_bench_counted(static fn () => $call($times));
        igor_bench_counted(static fn () => $call(2 * $times));
    }

    return array_keys($calls);
}
