<?php

/** The benchmarks of a build: those of its own source, if they are there, because its functions may have other names. */
function scripts_of(string $binaries): string
{
    $own = "$binaries/../../benches";

    return is_dir($own) ? realpath($own) : dirname(__DIR__);
}

/** The cost of a read beside a call that does nothing, of each build. The builds have the feature `bench`. */
function print_reads(array $builds, int $rounds, string $scratch): void
{
    $servers = [];
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
    printf("\none call                                                             ns   of an empty internal function\n");
    $label = static fn (string $name): string => preg_replace(['/nothing$/', '/read-(\d+)$/'],
        ['empty function', 'frankenphp_get_vars, $1 elements'], $name);
    foreach ($reads as $name => $values) {
        $nothing = $reads[preg_replace('/[^ ]+$/', 'nothing', $name)];
        printf("  %-56s %12.1f %s\n", $label($name), median($values), ratio($values, $nothing));
    }
    print_verdicts($reads, false, $label);
}
