<?php

// make bench-vars: what snapshots cost, as ratios of things measured in the same round; see docs/benchmarks.md.
require __DIR__ . '/lib.php';

[, $binaries] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 9);
$sizes = [10, 1000, 100000];

$port = free_port();
$igor = new Server(["$binaries/igor", 'run', '--config', __DIR__ . '/vars/Caddyfile'], $port, ['BENCH_PORT' => (string) $port]);
printf("%s\n", machine());

function row(string $label, array $values, array $yardstick): void
{
    printf("  %-58s %14.1f ns %s\n", $label, median($values), ratio($values, $yardstick));
}

printf("\nrepeated read in one request, of an empty internal function with one string argument\n");
foreach (['classic' => '/repeated.php', 'HTTP worker' => '/worker.php'] as $mode => $path) {
    $measured = [];
    for ($round = 0; $round < $rounds; $round++) {
        $measured[] = $igor->get($path);
    }
    foreach ($sizes as $size) {
        row("$mode, $size elements", array_column($measured, "read-$size"), array_column($measured, 'nothing'));
    }
}

printf("\nfirst read of a fresh classic request, of the same with 10 elements\n");
$first = [];
for ($round = 0; $round < $rounds * 20; $round++) {
    foreach ($sizes as $size) {
        $first[$size][] = (float) $igor->get("/first.php?size=$size")['first'];
    }
}
foreach ($sizes as $size) {
    row("$size elements", $first[$size], $first[10]);
}

printf("\nwhat the request would do without it, of the first read with 100000 elements\n");
$without = [];
for ($round = 0; $round < $rounds; $round++) {
    foreach ($igor->get('/first.php?size=100000&compare=1') as $what => $value) {
        $without[$what][] = (float) $value;
    }
}
foreach (['unserialize', 'apcu_fetch'] as $what) {
    if (isset($without[$what])) {
        row($what, $without[$what], $without['first']);
    } else {
        printf("  %-58s not measured: the extension is not loaded\n", $what);
    }
}

printf("\npublish, of serialize() of the same array; publish of what is already there, of ===\n");
foreach ($igor->get('/results.php') as $size => $measured) {
    row("publish, $size elements", array_column($measured, 'publish'), array_column($measured, 'serialize'));
    row("unchanged publish, $size elements", array_column($measured, 'unchanged'), array_column($measured, 'identity'));
}
