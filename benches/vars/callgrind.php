<?php

/** Instructions of one read, counted by Callgrind in a server that runs under it. They repeat exactly. */
final class CallgrindBenchmark
{
    private const CALLS = 10_000;

    public function __construct(private string $binaries, private string $scratch, private Report $report)
    {
    }

    public function run(): void
    {
        if (!preg_match('/valgrind-(\S+)/', (string) shell_exec('valgrind --version 2>/dev/null'), $found)) {
            $this->report->missing('instructions of a call', 'valgrind is missing; install it with: scripts/php.sh install-packages test');

            return;
        }
        $port = free_port();
        $igor = new Server(
            ['valgrind', '--tool=callgrind', '--fair-sched=yes', '--quiet', '--toggle-collect=zif_igor_bench_counted',
                '--dump-after=zif_igor_bench_counted', "--callgrind-out-file=$this->scratch/callgrind",
                "$this->binaries/igor", 'run', '--config', __DIR__ . '/Caddyfile'],
            $port,
            ['BENCH_PORT' => (string) $port, 'BENCH_ROOT' => __DIR__, 'BENCH_SOCKET' => "$this->scratch/callgrind.sock"],
            300,
        );
        $dump = 0;
        foreach (['classic' => '/repeated.php', 'HTTP worker' => '/worker.php'] as $mode => $path) {
            $counts = [];
            foreach ($igor->get("$path?count=" . self::CALLS) as $call) {
                $once = $this->counted(++$dump);
                $counts[$call] = ($this->counted(++$dump) - $once) / self::CALLS;
            }
            $loop = $counts['loop'];
            $nothing = $counts['nothing'] - $loop;
            foreach ($counts as $call => $count) {
                if ($call === 'loop') {
                    continue;
                }
                $label = $call === 'nothing' ? 'a call of an empty function'
                    : 'a read, ' . number_format((int) substr($call, 5)) . ' elements';
                $this->report->value("$mode: $label", $count - $loop, 'instructions', ($count - $loop) / $nothing,
                    $call === 'nothing' ? null : Target::atMost(2));
            }
        }
    }

    /** What the dump with this number counted. */
    private function counted(int $dump): int
    {
        $file = "$this->scratch/callgrind.$dump";
        if (!preg_match('/^(?:summary|totals): (\d+)/m', (string) @file_get_contents($file), $found)) {
            fwrite(STDERR, "reading what Callgrind counted failed: $file\n");
            exit(1);
        }

        return (int) $found[1];
    }
}
