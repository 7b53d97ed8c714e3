<?php

// make bench: requests per second of hello world beside a plain hyper server, and the cost of a read beside a call that
// does nothing. Rounds are interleaved, so that whatever else the machine does falls on all alike; only ratios are meant.
require __DIR__ . '/lib.php';

[, $binaries] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 7);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 3);

$hyper_port = free_port();
$hyper = new Server(["$binaries/examples/plain-hyper", "127.0.0.1:$hyper_port"], $hyper_port);
$port = free_port();
$igor = new Server(["$binaries/igor", 'run', '--config', __DIR__ . '/http/Caddyfile'], $port, ['BENCH_PORT' => (string) $port]);

$results = ['plain hyper' => [], 'classic' => [], 'worker' => []];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    $results['plain hyper'][] = requests_per_second($hyper_port, '/', $seconds);
    $results['classic'][] = requests_per_second($port, '/hello.php', $seconds);
    $results['worker'][] = requests_per_second($port, '/worker.php', $seconds);
}
unset($hyper, $igor);

$port = free_port();
$igor = new Server(["$binaries/igor", 'run', '--config', __DIR__ . '/vars/Caddyfile'], $port,
    ['BENCH_PORT' => (string) $port, 'BENCH_SOCKET' => scratch_folder() . '/publisher.sock']);
$reads = ['/repeated.php' => [], '/worker.php' => []];
for ($round = 0; $round < $rounds; $round++) {
    foreach ($reads as $path => $_) {
        $reads[$path][] = $igor->get($path);
    }
}

printf("%s\n\n", machine());
printf("hello world, 64 connections, %d rounds of %d s        requests/s   of plain hyper\n", $rounds, $seconds);
foreach ($results as $name => $values) {
    printf("  %-50s %12.0f %s\n", $name, median($values), ratio($values, $results['plain hyper']));
}
printf("\none call                                                       ns   of an empty internal function\n");
foreach ($reads as $path => $list) {
    $mode = $path === '/worker.php' ? 'HTTP worker' : 'classic';
    foreach (array_keys($list[0]) as $what) {
        $label = $what === 'nothing' ? 'empty function' : 'frankenphp_get_vars, ' . substr($what, 5) . ' elements';
        $values = array_column($list, $what);
        printf("  %-50s %12.1f %s\n", "$mode: $label", median($values), ratio($values, array_column($list, 'nothing')));
    }
}
