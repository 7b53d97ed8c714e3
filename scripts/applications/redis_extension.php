<?php

declare(strict_types=1);

// What the extension `redis` does on the Redis port of a store: prints a line for each thing that works, and throws otherwise.
[, $socket, $password, $page] = $argv;

function same(string $what, mixed $expected, mixed $found): void
{
    $expected === $found || throw new LogicException("$what: " . json_encode($found) . ' instead of ' . json_encode($expected));
    echo $what, "\n";
}

$redis = new Redis();
$redis->connect($socket);
try {
    $redis->get('text');
    throw new LogicException('a client without the password reads');
} catch (RedisException $error) {
    same('a client without the password is refused', true, str_contains($error->getMessage(), 'NOAUTH'));
}
$redis->auth($password);
same('strings', [true, 'from redis', 10, 1], [
    $redis->set('text', 'from redis'), $redis->get('text'), $redis->strlen('text'), $redis->exists('text'),
]);
same('conditions', [false, true, false], [
    $redis->set('text', 'x', ['nx']), $redis->set('new', 'y', ['nx', 'ex' => 100]), $redis->setnx('new', 'z'),
]);
same('times to live', [true, true, -1], [$redis->ttl('new') > 90, $redis->persist('new'), $redis->ttl('new')]);
same('counters', [1, 11, 10, '10.5'], [
    $redis->incr('count'), $redis->incrBy('count', 10), $redis->decr('count'), (string) $redis->incrByFloat('float', 10.5),
]);
same('many at once', [true, ['1', '2', false], 2], [
    $redis->mSet(['a' => '1', 'b' => '2']), $redis->mGet(['a', 'b', 'none']), $redis->del('a', 'b'),
]);
same('transactions and pipelines', [[true, 'one', 11], [12, 13]], [
    $redis->multi()->set('in', 'one')->get('in')->incr('count')->exec(),
    $redis->multi(Redis::PIPELINE)->incr('count')->incr('count')->exec(),
]);
same('what PHP scripts see and write', [18, 'from redis', [1, ['a' => 'b']]], json_decode(file_get_contents($page), true));
same('what clients see of PHP values', ['18', '[1,{"a":"b"}]'], [$redis->get('count'), $redis->get('list')]);
$redis->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_PHP);
$redis->set('object', new ArrayObject([1]));
same('serialised values', true, $redis->get('object') == new ArrayObject([1]));
$redis->setOption(Redis::OPT_SERIALIZER, Redis::SERIALIZER_NONE);
$found = [];
$cursor = null;
while (is_array($keys = $redis->scan($cursor, '*', 2))) {
    $found = [...$found, ...$keys];
}
sort($found);
same('scans', ['count', 'float', 'in', 'list', 'new', 'object', 'text'], $found);
same('a flush', [true, 0], [$redis->flushDB(), $redis->dbSize()]);
