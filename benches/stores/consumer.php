<?php

// A consumer as one writes it with Redis: waits for an element of the list `tasks`, and answers on the list that it names.
require __DIR__ . '/redis.php';

$redis = new RedisClient($argv[1]);
while (true) {
    [, $task] = $redis->call('BRPOP', 'tasks', '0');
    $payload = json_decode($task, true);
    $redis->call('LPUSH', $payload['reply'], json_encode($payload));
}
