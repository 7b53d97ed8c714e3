<?php

// One round, in one classic request: nanoseconds of one call of each kind.
require __DIR__ . '/../vars/measure.php';
require __DIR__ . '/../vars/data.php';
require __DIR__ . '/redis.php';

const SIZES = [10, 1000, 100000];

/** What is called. Literal names and keys, as one writes them. */
function element_calls(FrankenPHP\SharedArray $store, bool $has_apcu): array
{
    $calls = [
        'vars-10' => static function (int $times): void { for ($i = 0; $i < $times; $i++) { frankenphp_get_vars('size-10'); } },
        'vars-1000' => static function (int $times): void { for ($i = 0; $i < $times; $i++) { frankenphp_get_vars('size-1000'); } },
        'vars-100000' => static function (int $times): void { for ($i = 0; $i < $times; $i++) { frankenphp_get_vars('size-100000'); } },
        'store-10' => static function (int $times) use ($store): void { for ($i = 0; $i < $times; $i++) { $store['size-10']; } },
        'store-1000' => static function (int $times) use ($store): void { for ($i = 0; $i < $times; $i++) { $store['size-1000']; } },
        'store-100000' => static function (int $times) use ($store): void { for ($i = 0; $i < $times; $i++) { $store['size-100000']; } },
        'store-int' => static function (int $times) use ($store): void { for ($i = 0; $i < $times; $i++) { $store['int']; } },
        'store-increment' => static function (int $times) use ($store): void { for ($i = 0; $i < $times; $i++) { $store->increment('n'); } },
    ];

    return $has_apcu ? $calls + [
        'apcu-int' => static function (int $times): void { for ($i = 0; $i < $times; $i++) { apcu_fetch('int'); } },
        'apcu-increment' => static function (int $times): void { for ($i = 0; $i < $times; $i++) { apcu_inc('n'); } },
    ] : $calls;
}

/** Nanoseconds of one call, measured over as many as take some milliseconds: for calls of which each takes long. */
function each_of(int $times, callable $call): float
{
    $best = INF;
    for ($try = 0; $try < 3; $try++) {
        $start = hrtime(true);
        for ($i = 0; $i < $times; $i++) {
            $call();
        }
        $best = min($best, (hrtime(true) - $start) / $times);
    }

    return $best;
}

$store = new FrankenPHP\SharedArray();
$has_apcu = extension_loaded('apcu');
foreach (SIZES as $size) {
    frankenphp_ensure_background_worker("size-$size", 300);
    $store["size-$size"] ??= records($size);
    $has_apcu && !apcu_exists("size-$size") && apcu_store("size-$size", records($size));
}
$store['int'] = 1;
$has_apcu && apcu_store('int', 1);
$measured = array_map(static fn (Closure $call): float => per_call($call, 20_000), element_calls($store, $has_apcu));
foreach ($has_apcu ? SIZES : [] as $size) {
    $measured["apcu-$size"] = each_of(max(5, intdiv(100_000, $size)), static fn () => apcu_fetch("size-$size"));
}

$redis = new RedisClient($_GET['redis']);
$own = new RedisClient($_GET['store']);
$measured['redis-increment'] = each_of(2_000, static fn () => $redis->call('INCR', 'n'));
$measured['port-increment'] = each_of(2_000, static fn () => $own->call('INCR', 'n'));

$payload = ['number' => 1, 'name' => 'thumbnail', 'sizes' => [100, 200]];
$measured['task'] = each_of(500, static function () use ($payload): void {
    $task = new FrankenPHP\SentTaskHandle('echo', $payload);
    $task->read() === $payload ?: throw new LogicException('another result');
});
$measured['redis-task'] = each_of(500, static function () use ($payload, $redis): void {
    $redis->call('LPUSH', 'tasks', json_encode($payload + ['reply' => 'reply']));
    [, $answer] = $redis->call('BRPOP', 'reply', '0');
    json_decode($answer, true)['number'] === 1 ?: throw new LogicException('another result');
});
echo json_encode($measured);
