<?php

// make bench: requests per second of hello world beside a plain hyper server, and the cost of a read beside a call that
// does nothing. With the folder of another build (BESIDE=folder), its numbers too, and whether this build is worse.
//
// make bench-http: the same rounds with other servers of PHP, larger requests and responses, a read of a snapshot, and the
// latency at 70 % of the load that the server can take, and which targets are met. BENCH_FPM names the php-fpm to compare with,
// BENCH_PASIR another server, if there is one.
//
// Rounds are interleaved, so that whatever else the machine does falls on all alike; only ratios are meant.
require __DIR__ . '/lib.php';
require __DIR__ . '/peers.php';
require __DIR__ . '/http/reads.php';
require __DIR__ . '/http/latency.php';

[, $binaries] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 7);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 3);
$builds = ['' => $binaries] + (isset($argv[2]) ? ['before: ' => realpath($argv[2])] : []);
$fpm = (string) getenv('BENCH_FPM');
$root = __DIR__ . '/http';
$upload = "-s $root/upload.lua";
$scratch = scratch_folder();

/** Says for each name whether this build does worse than the one before by more than the spread of both. */
function print_verdicts(array $results, bool $more_is_better, callable $label): void
{
    foreach ($results as $name => $values) {
        if (!isset($results["before: $name"])) {
            continue;
        }
        $before = $results["before: $name"];
        $ratios = array_map(static fn (float $value, float $by): float => $value / $by, $values, $before);
        $worse = ($more_is_better ? 1 - median($ratios) : median($ratios) - 1) * 100;
        $spread = max(spread($values), spread($before), spread($ratios));
        printf("  %-56s %12s %s   no worse beyond the spread of ±%.1f %%: %s\n", $label($name), 'of before',
            ratio($values, $before), $spread, $worse <= $spread ? 'met' : 'not met');
    }
}

// What is measured: name => [port, path, further arguments of wrk].
$hyper_port = free_port();
$servers = [new Server(["$binaries/examples/plain-hyper", "127.0.0.1:$hyper_port"], $hyper_port)];
$measured = ['plain hyper' => [$hyper_port, '/', '']];
foreach ($builds as $build => $folder) {
    $port = free_port();
    $servers[] = new Server(["$folder/igor", 'run', '--config', "$root/Caddyfile"], $port,
        ['BENCH_PORT' => (string) $port, 'BENCH_ROOT' => $root]);
    $measured += ["{$build}classic" => [$port, '/hello.php', ''], "{$build}worker" => [$port, '/worker.php', '']];
    if ($fpm !== '') {
        $measured += [
            "{$build}classic, a read" => [$port, '/vars.php', ''],
            "{$build}worker, a read" => [$port, '/vars-worker.php', ''],
            "{$build}classic, 64 KiB" => [$port, '/large.php', ''],
            "{$build}classic, 1 MiB sent" => [$port, '/upload.php', $upload],
        ];
    }
}
if ($fpm !== '') {
    [$port, $servers[]] = [free_port(), php_fpm($fpm, "$scratch/fpm", 8)];
    $servers[] = nginx($scratch, $port, fastcgi_location($root), "upstream php { server unix:$scratch/fpm.sock; keepalive 8; }");
    $measured += [
        'php-fpm' => [$port, '/hello.php', ''],
        'php-fpm, 64 KiB' => [$port, '/large.php', ''],
        'php-fpm, 1 MiB sent' => [$port, '/upload.php', $upload],
    ];
    $servers[] = php_server($port = free_port(), $root);
    $measured['php -S'] = [$port, '/hello.php', ''];
    if (getenv('BENCH_PASIR')) {
        $servers[] = pasir(getenv('BENCH_PASIR'), $port = free_port(), $root);
        $measured['pasir'] = [$port, '/hello.php', ''];
    }
}

check_answers($measured);
$results = [];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    // Each is before and after the others as often.
    foreach ($round % 2 ? array_reverse($measured, true) : $measured as $name => [$port, $path, $arguments]) {
        $results[$name][] = requests_per_second($port, $path, $seconds, $arguments);
    }
}
check_answers($measured);
$results = array_replace($measured, $results);

printf("%s\n\n", machine());
printf("64 connections, %d rounds of %d s                            requests/s   of plain hyper\n", $rounds, $seconds);
foreach ($results as $name => $values) {
    printf("  %-56s %12.0f %s\n", $name, median($values), ratio($values, $results['plain hyper']));
}
print_verdicts($results, true, static fn (string $name): string => $name);

// Name, of which, at least.
$targets = $fpm === '' ? [] : [
    ['worker', 'plain hyper', 0.60], ['worker', 'php-fpm', 4.0], ['classic', 'plain hyper', 0.45], ['classic', 'php-fpm', 3.0],
    ['worker, a read', 'worker', 0.98], ['classic, a read', 'classic', 0.98],
    ['classic, 64 KiB', 'php-fpm, 64 KiB', 1.5], ['classic, 1 MiB sent', 'php-fpm, 1 MiB sent', 1.5],
];
$failed = false;
$targets === [] || print("\ntargets\n");
foreach ($targets as [$name, $of, $target]) {
    $verdict = verdict($results[$name], $results[$of], $target);
    $failed = $failed || str_ends_with($verdict, 'not met');
    printf("  %-56s              %s%s\n", "$name, of $of", ratio($results[$name], $results[$of]), $verdict);
}
if ($fpm !== '') {
    // The first and the last are yardsticks: how much of it the machine and the client have caused.
    foreach (['plain hyper', 'classic', 'worker', 'php-fpm'] as $name) {
        $met = print_latency($name, $measured[$name], 0.7 * median($results[$name]), $seconds);
        $failed = $failed || !$met && in_array($name, ['classic', 'worker'], true);
    }
}
unset($servers);
print_reads($builds, $rounds, $scratch);
exit($failed ? 1 : 0);
