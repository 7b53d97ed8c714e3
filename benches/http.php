<?php

// make bench: requests per second of hello world beside a plain hyper server, and the cost of a read beside a call that
// does nothing. With the folder of another build (BESIDE=folder), its numbers too, and whether this build is worse. Rounds are
// interleaved, so that whatever else the machine does falls on all alike; only ratios are meant.
require __DIR__ . '/lib.php';

[, $binaries] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 7);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 3);
$builds = ['' => $binaries] + (isset($argv[2]) ? ['before: ' => realpath($argv[2])] : []);

/** The benchmarks of a build: those of its own source, if they are there, because its functions may have other names. */
function scripts_of(string $binaries): string
{
    $own = "$binaries/../../benches";

    return is_dir($own) ? realpath($own) : __DIR__;
}

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

$hyper_port = free_port();
$hyper = new Server(["$binaries/examples/plain-hyper", "127.0.0.1:$hyper_port"], $hyper_port);
$ports = $servers = [];
foreach ($builds as $build => $folder) {
    $ports[$build] = $port = free_port();
    $servers[$build] = new Server(["$folder/igor", 'run', '--config', __DIR__ . '/http/Caddyfile'], $port,
        ['BENCH_PORT' => (string) $port, 'BENCH_ROOT' => __DIR__ . '/http']);
}

$results = ['plain hyper' => []];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    $results['plain hyper'][] = requests_per_second($hyper_port, '/', $seconds);
    foreach (['classic' => '/hello.php', 'worker' => '/worker.php'] as $mode => $path) {
        // Each is the first as often as the others.
        foreach ($round % 2 ? array_reverse($ports, true) : $ports as $build => $port) {
            $results["$build$mode"][] = requests_per_second($port, $path, $seconds);
        }
    }
}
unset($hyper, $servers);

$servers = [];
$scratch = scratch_folder();
foreach ($builds as $build => $folder) {
    $port = free_port();
    $root = scripts_of($folder) . '/vars';
    $servers[$build] = new Server(["$folder/igor", 'run', '--config', "$root/Caddyfile"], $port, [
        'BENCH_PORT' => (string) $port,
        'BENCH_ROOT' => $root,
        'BENCH_SOCKET' => "$scratch/publisher." . count($servers),
    ]);
}
$reads = [];
for ($round = 0; $round < $rounds; $round++) {
    foreach (['classic: ' => '/repeated.php', 'HTTP worker: ' => '/worker.php'] as $mode => $path) {
        foreach ($servers as $build => $server) {
            foreach ($server->get($path) as $what => $nanoseconds) {
                $reads["$build$mode$what"][] = $nanoseconds;
            }
        }
    }
}
unset($servers, $server);

printf("%s\n\n", machine());
printf("hello world, 64 connections, %d rounds of %d s              requests/s   of plain hyper\n", $rounds, $seconds);
foreach ($results as $name => $values) {
    printf("  %-56s %12.0f %s\n", $name, median($values), ratio($values, $results['plain hyper']));
}
print_verdicts($results, true, static fn (string $name): string => $name);
printf("\none call                                                             ns   of an empty internal function\n");
$label = static fn (string $name): string => preg_replace(['/nothing$/', '/read-(\d+)$/'],
    ['empty function', 'frankenphp_get_vars, $1 elements'], $name);
foreach ($reads as $name => $values) {
    $nothing = $reads[preg_replace('/[^ ]+$/', 'nothing', $name)];
    printf("  %-56s %12.1f %s\n", $label($name), median($values), ratio($values, $nothing));
}
print_verdicts($reads, false, $label);
