<?php

// make bench-static: files of four sizes beside nginx, in one run and in turns. nginx has its usual settings for files (sendfile,
// tcp_nopush); like here, each of its requests looks whether the file is still the same. A second nginx with open_file_cache, which
// looks once a minute, is shown, but no target. Only the ratios are meant.
require __DIR__ . '/lib.php';
require __DIR__ . '/peers.php';

/** Bytes of a file => the share of nginx that is asked for, and the connections. */
const SIZES = [
    4 << 10 => [1.0, 64],
    64 << 10 => [1.0, 64],
    1 << 20 => [0.8, 16],
    100 << 20 => [0.8, 4],
];

[, $binaries] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 7);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 3);

$scratch = scratch_folder();
mkdir("$scratch/www");
foreach (SIZES as $size => $_) {
    // Not zeros: a server could send those without having read the file.
    $piece = random_bytes(1 << 20);
    file_put_contents("$scratch/www/$size.bin", $size < 1 << 20 ? substr($piece, 0, $size) : str_repeat($piece, $size >> 20));
}
$ports = ['igor' => free_port(), 'nginx' => free_port(), 'nginx, open_file_cache' => free_port()];
$servers = [
    new Server(["$binaries/igor", 'run', '--config', __DIR__ . '/static/Caddyfile'], $ports['igor'],
        ['BENCH_PORT' => (string) $ports['igor'], 'BENCH_ROOT' => "$scratch/www"]),
    nginx($scratch, $ports['nginx'], "root $scratch/www;"),
    nginx($scratch, $ports['nginx, open_file_cache'], "root $scratch/www; open_file_cache max=100;"),
];

/** Asks for each file once, and compares it. */
function check(array $ports, string $folder): void
{
    foreach ($ports as $name => $port) {
        foreach (SIZES as $size => $_) {
            if (hash_file('xxh128', "http://127.0.0.1:$port/$size.bin") !== hash_file('xxh128', "$folder/$size.bin")) {
                fwrite(STDERR, "$name has answered with another file of $size bytes\n");
                exit(1);
            }
        }
    }
}

check($ports, "$scratch/www");
$results = [];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    foreach (SIZES as $size => [, $connections]) {
        // Each is the first as often as the others.
        foreach ($round % 2 ? array_reverse($ports, true) : $ports as $name => $port) {
            $results[$size][$name][] = transferred($port, "/$size.bin", $seconds, $connections);
        }
    }
}
check($ports, "$scratch/www");
unset($servers);

printf("%s\n\n", machine());
printf("files, %d rounds of %d s                                     MiB/s   of nginx\n", $rounds, $seconds);
$failed = false;
foreach (SIZES as $size => [$target, $connections]) {
    foreach ($results[$size] as $name => $values) {
        $verdict = $name === 'igor' ? verdict($values, $results[$size]['nginx'], $target) : '';
        $failed = $failed || str_ends_with($verdict, 'not met');
        printf("  %-56s %8.0f %s%s\n", sprintf('%d KiB, %d connections: %s', $size >> 10, $connections, $name),
            median($values) / (1 << 20), ratio($values, $results[$size]['nginx']), $verdict);
    }
}
exit($failed ? 1 : 0);
