<?php

// make bench-builds OTHER=php-config: what requests cost with two builds of PHP: the one in use and OTHER, in one run and in turns.
// Both servers are the same program with another libphp.so. Processor time and not throughput is compared, because other programs
// disturb it less, and because the rest of the server is the same. What Callgrind counts does not depend on other programs at all.
require __DIR__ . '/lib.php';

const PAGES = ['/page.php', '/parser.php', '/console.php', '/hello.php'];

// Requests that Callgrind counts, and those before them, which fill opcache.
const COUNTED = 10;
const WARM_UP = 4;

[, $binaries, $other] = $argv + [2 => ''];
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 9);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 2);
if (!is_executable($other)) {
    fwrite(STDERR, "OTHER must name the php-config of another build; PHP_BUILD=pgo scripts/php.sh print prints one\n");
    exit(1);
}
$configs = ['in use' => (string) getenv('PHP_CONFIG'), 'other' => $other];

/** Starts the server with the library of this PHP, and makes sure that it has loaded that. */
function server(string $binaries, string $config, array $under = []): array
{
    $prefix = trim((string) shell_exec(escapeshellarg($config) . ' --prefix'));
    $port = free_port();
    $command = [...$under, "$binaries/igor", 'run', '--config', __DIR__ . '/builds/Caddyfile'];
    $server = new Server($command, $port,
        ['BENCH_PORT' => (string) $port, 'BENCH_ROOT' => __DIR__ . '/builds', 'LD_LIBRARY_PATH' => "$prefix/lib"], 300);
    ['library' => $library, 'opcache' => $has_opcache] = $server->get('/which.php');
    if (realpath($library) !== realpath("$prefix/lib/libphp.so") || !$has_opcache) {
        fwrite(STDERR, "the server of $prefix has loaded $library, " . ($has_opcache ? 'with' : 'without') . " opcache\n");
        exit(1);
    }

    return [$server, $port, $prefix];
}

/** Microseconds of processor time of a request, of one client. */
function cost(Server $server, int $port, string $path, int $seconds): float
{
    $before = processor_seconds($server->pid());
    $output = (string) shell_exec("wrk -t 1 -c 1 -d {$seconds}s http://127.0.0.1:$port$path");
    $used = processor_seconds($server->pid()) - $before;
    if (!preg_match('/(\d+) requests in/', $output, $found) || preg_match('/Non-2xx|Socket errors/', $output)) {
        fwrite(STDERR, "wrk failed for $path:\n$output");
        exit(1);
    }

    return $used / $found[1] * 1e6;
}

/** What Callgrind counts for a request of each page: instructions, misses of the instruction cache, branches predicted wrongly. */
function counts(string $binaries, string $config, string $scratch): array
{
    $out = "$scratch/callgrind.out";
    [$server, $port] = server($binaries, $config, ['valgrind', '--tool=callgrind', '--fair-sched=yes', '--cache-sim=yes',
        '--branch-sim=yes', "--callgrind-out-file=$out"]);
    $counts = [];
    foreach (PAGES as $dump => $path) {
        ask($port, $path, WARM_UP);
        callgrind('--zero', $server);
        ask($port, $path, COUNTED);
        callgrind('--dump', $server);
        $text = (string) file_get_contents($out . '.' . $dump + 1);
        if (!preg_match('/^events: (.+)$/m', $text, $names) || !preg_match('/^(?:summary|totals): (.+)$/m', $text, $values)) {
            fwrite(STDERR, "Callgrind has counted nothing for $path\n");
            exit(1);
        }
        // Zeros at the end are not written.
        $of = array_combine($names = explode(' ', $names[1]), array_pad(explode(' ', $values[1]), count($names), '0'));
        $counts[$path] = array_map(static fn (int $value): float => $value / COUNTED,
            ['instructions' => (int) $of['Ir'], 'cache misses' => (int) $of['I1mr'], 'wrong branches' => $of['Bcm'] + $of['Bim']]);
    }

    return $counts;
}

function ask(int $port, string $path, int $times): void
{
    for ($i = 0; $i < $times; $i++) {
        if (!@file_get_contents("http://127.0.0.1:$port$path", false, stream_context_create(['http' => ['timeout' => 600]]))) {
            fwrite(STDERR, "asking for $path under Callgrind failed\n");
            exit(1);
        }
    }
}

/** Tells Callgrind something about the server, and waits until it has done that. */
function callgrind(string $option, Server $server): void
{
    exec("callgrind_control $option " . $server->pid() . ' 2>&1', $output, $status);
    if ($status !== 0) {
        fwrite(STDERR, "callgrind_control $option failed: " . implode("\n", $output) . "\n");
        exit(1);
    }
}

$servers = array_map(static fn (string $config): array => server($binaries, $config), $configs);
foreach (PAGES as $path) {
    $answers = array_map(static fn (array $server): string => md5((string) file_get_contents("http://127.0.0.1:$server[1]$path")), $servers);
    if (count(array_unique($answers)) !== 1) {
        fwrite(STDERR, "the two builds answer $path differently\n");
        exit(1);
    }
}
$costs = [];
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    foreach (PAGES as $path) {
        // Each is the first as often as the other.
        foreach ($round % 2 ? array_reverse($servers, true) : $servers as $name => [$server, $port]) {
            $costs[$path][$name][] = cost($server, $port, $path, $seconds);
        }
    }
}
printf("%s\n", machine());
foreach ($servers as $name => [, , $prefix]) {
    printf("  %-8s %s\n", $name, basename($prefix));
}
unset($servers, $server);
printf("\nprocessor time of a request, %d rounds of %d s        µs   of the PHP in use\n", $rounds, $seconds);
foreach ($costs as $path => $of_path) {
    foreach ($of_path as $name => $values) {
        printf("  %-48s %8.0f %s\n", "$path: $name", median($values), ratio($values, $of_path['in use']));
    }
}
$scratch = scratch_folder();
$counts = [];
foreach ($configs as $name => $config) {
    mkdir("$scratch/$name");
    $counts[$name] = counts($binaries, $config, "$scratch/$name");
}
printf("\n%-34s in use        other   of the PHP in use\n", 'a request, counted by Callgrind');
foreach (PAGES as $path) {
    foreach ($counts['in use'][$path] as $event => $count) {
        printf("  %-30s %12.0f %12.0f   %.3f\n", "$path: $event", $count, $counts['other'][$path][$event], $counts['other'][$path][$event] / max($count, 1));
    }
}
