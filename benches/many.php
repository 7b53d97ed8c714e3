<?php

// make bench-many: 500 named background workers and a catch-all with 500 names, each publishing every second, beside requests.
// How long all of them take to start, what memory they need, and what requests notice of them, beside the same server without.
require __DIR__ . '/lib.php';

[, $binaries] = $argv;
$count = (int) (getenv('BENCH_WORKERS') ?: 500);
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 5);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 3);

function caddyfile(string $folder, int $port, int $count): string
{
    $scripts = __DIR__ . '/many';
    $workers = '';
    for ($number = 1; $number <= $count; $number++) {
        $workers .= "\t\tworker $scripts/worker.php {\n\t\t\tbackground\n\t\t\tname named-$number\n\t\t\tnum 1\n\t\t}\n";
    }
    if ($count > 0) {
        $workers .= "\t\tworker $scripts/worker.php {\n\t\t\tbackground\n\t\t\tmax_threads $count\n\t\t}\n";
    }
    $path = "$folder/Caddyfile-$port";
    file_put_contents($path, "{\n\tadmin off\n\tlog {\n\t\tlevel WARN\n\t}\n}\nhttp://127.0.0.1:$port {\n\troot $scripts\n\tphp_server {\n$workers\t}\n}\n");

    return $path;
}

$folder = scratch_folder();
$without_port = free_port();
$without = new Server(["$binaries/igor", 'run', '--config', caddyfile($folder, $without_port, 0)], $without_port);
$port = free_port();
$started = hrtime(true);
$with = new Server(["$binaries/igor", 'run', '--config', caddyfile($folder, $port, $count)], $port);
$ready = file_get_contents("http://127.0.0.1:$port/ready.php?count=$count", context: stream_context_create(['http' => ['timeout' => 300]]));
$took = (hrtime(true) - $started) / 1e9;
if ((int) $ready !== 2 * $count) {
    fwrite(STDERR, "not every worker has published: $ready\n");
    exit(1);
}
$memory = resident($with->pid()) - resident($without->pid());

$results = ['without workers' => [], 'with them' => [], 'with them, reading one' => []];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    $results['without workers'][] = requests_per_second($without_port, '/hello.php', $seconds);
    $results['with them'][] = requests_per_second($port, '/hello.php', $seconds);
    $results['with them, reading one'][] = requests_per_second($port, '/hello.php?read', $seconds);
}

printf("%s\n\n", machine());
printf("%d workers: all had published %.2f s after the start; %.0f KiB of memory each\n\n", 2 * $count, $took, $memory / 1024 / (2 * $count));
printf("hello world, 64 connections, %d rounds of %d s        requests/s   of those without workers\n", $rounds, $seconds);
foreach ($results as $name => $values) {
    printf("  %-50s %12.0f %s\n", $name, median($values), ratio($values, $results['without workers']));
}
