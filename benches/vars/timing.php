<?php

/** Times of reads and publishes, beside what a request would do without them. */
final class TimingBenchmark
{
    private const SIZES = [10, 1_000, 100_000];
    /** Fresh requests of each kind in one round. */
    private const FRESH_REQUESTS = 100;
    /** Pairs of publishes in one round of shared reads; each version stays in memory until the round is over. */
    private const PUBLISHES = 20;

    private Server $igor;
    private string $socket;

    public function __construct(
        private string $binaries,
        private string $scratch,
        private Report $report,
        private int $rounds,
        private string $apcu,
    ) {
    }

    public function run(): void
    {
        $this->start('php');
        $this->repeated();
        $first = $this->first();
        $this->without($first, 'php');
        $this->after_publish();
        $this->publish();
        unset($this->igor);
        if ($this->apcu !== '') {
            // APCu's own way to keep an array, instead of serialize(), which is what its configuration says.
            $this->start('default');
            $this->report->section('apcu_fetch with apc.serializer=default, of the first read with as many elements');
            $this->apcu_fetch($first, 'default');
            unset($this->igor);
        }
    }

    private function start(string $serializer): void
    {
        $port = free_port();
        $this->socket = "$this->scratch/timing-$serializer.sock";
        $this->igor = new Server(["$this->binaries/igor", 'run', '--config', __DIR__ . '/Caddyfile'], $port, [
            'BENCH_PORT' => (string) $port,
            'BENCH_ROOT' => __DIR__,
            'BENCH_ROUNDS' => (string) $this->rounds,
            'BENCH_SOCKET' => $this->socket,
            'BENCH_SERIALIZER' => $serializer,
            'BENCH_EXTENSION' => $this->apcu === '' ? '' : "php_ini extension $this->apcu",
        ]);
    }

    private static function elements(int $size): string
    {
        return number_format($size) . ' elements';
    }

    private function repeated(): void
    {
        $this->report->section('repeated read, of an empty internal function with one string argument');
        foreach (['classic' => '/repeated.php', 'HTTP worker' => '/worker.php'] as $mode => $path) {
            $measured = [];
            for ($round = 0; $round < $this->rounds; $round++) {
                $measured[] = $this->igor->get($path);
            }
            foreach (self::SIZES as $size) {
                $this->report->ratio("$mode, " . self::elements($size), array_column($measured, "read-$size"),
                    array_column($measured, 'nothing'), Target::atMost(2));
            }
        }
    }

    /**
     * Medians of fresh requests, round by round. The sizes take turns in being first.
     *
     * @param list<string> $queries what to ask for, by the key of its result
     *
     * @return array<array-key, list<float>>
     */
    private function fresh(array $queries, int $requests): array
    {
        $medians = [];
        for ($round = 0; $round < $this->rounds; $round++) {
            $times = [];
            for ($request = 0; $request < $requests; $request++) {
                foreach (self::rotated(array_keys($queries), $request) as $key) {
                    $times[$key][] = (float) $this->igor->get("/first.php?$queries[$key]")['ns'];
                }
            }
            foreach ($times as $key => $values) {
                $medians[$key][] = median($values);
            }
        }

        return $medians;
    }

    private static function rotated(array $list, int $by): array
    {
        $by %= count($list);

        return array_merge(array_slice($list, $by), array_slice($list, 0, $by));
    }

    /** @return array<int, list<float>> */
    private function first(): array
    {
        $this->report->section('first read of a fresh classic request, of that with 10 elements');
        $queries = [];
        foreach (self::SIZES as $size) {
            $queries[$size] = "size=$size";
        }
        $first = $this->fresh($queries, self::FRESH_REQUESTS);
        foreach (self::SIZES as $size) {
            $this->report->ratio(self::elements($size), $first[$size], $first[10], $size === 10 ? null : Target::atMost(1.2));
        }

        return $first;
    }

    private function without(array $first, string $serializer): void
    {
        $this->report->section('what a request would do without it, of the first read with as many elements');
        $queries = [];
        foreach (self::SIZES as $size) {
            $queries[$size] = "size=$size&what=unserialize";
        }
        $times = $this->fresh($queries, 5);
        foreach (self::SIZES as $size) {
            $this->report->ratio('unserialize, ' . self::elements($size), $times[$size], $first[$size],
                $size === 100_000 ? Target::atLeast(1000) : null);
        }
        $this->apcu_fetch($first, $serializer);
    }

    private function apcu_fetch(array $first, string $serializer): void
    {
        if ($this->apcu === '') {
            $this->report->missing('apcu_fetch', 'APCu could not be built; scripts/php.sh apcu says why');

            return;
        }
        $queries = [];
        foreach (self::SIZES as $size) {
            $stored = $this->igor->get("/first.php?size=$size&what=store");
            if (!$stored['stored']) {
                $this->report->missing('apcu_fetch', 'apcu_store() failed');

                return;
            }
            $queries[$size] = "size=$size&what=apcu_fetch";
        }
        $times = $this->fresh($queries, 5);
        foreach (self::SIZES as $size) {
            $this->report->ratio("apcu_fetch (APCu $stored[version], $serializer), " . self::elements($size), $times[$size],
                $first[$size], $size === 100_000 ? Target::atLeast(1000) : null);
        }
    }

    private function after_publish(): void
    {
        $kinds = [
            'publish' => 'first read after a publish of one change, in an HTTP worker, of array_dup() of a literal',
            'renew' => 'the same, every value changed',
        ];
        foreach ($kinds as $publish => $title) {
            $this->report->section($title);
            foreach ([10, 100, 500] as $size) {
                $this->copied($size, $publish);
            }
        }
        $this->report->section('first read after a publish in an HTTP worker, shared, of that with 1,000 elements');
        foreach ([1_000, 10_000, 100_000] as $size) {
            $this->shared($size);
        }
    }

    private function copied(int $size, string $publish): void
    {
        $literal = "$this->scratch/literal-$size.php";
        file_put_contents($literal, '<?php return ' . var_export(records($size), true) . ';');
        $query = http_build_query(['size' => $size, 'times' => 100, 'publish' => $publish, 'socket' => $this->socket,
            'literal' => $literal]);
        $measured = [];
        for ($round = 0; $round < $this->rounds; $round++) {
            $measured[] = $this->igor->get("/after-copied.php?$query");
        }
        $this->report->ratio(sprintf('%s, %s bytes', self::elements($size), number_format($measured[0]['bytes'])),
            array_column($measured, 'read'), array_column($measured, 'array_dup'), Target::atMost(1));
    }

    private function shared(int $size): void
    {
        $query = http_build_query(['size' => $size, 'times' => self::PUBLISHES, 'socket' => $this->socket]);
        $measured = [];
        for ($round = 0; $round < $this->rounds; $round++) {
            $measured[] = $this->igor->get("/after-shared.php?$query");
        }
        $this->report->ratio(sprintf('%s, %s bytes', self::elements($size), number_format($measured[0]['bytes'])),
            array_column($measured, 'large'), array_column($measured, 'companion'), Target::atMost(1.2));
    }

    private function publish(): void
    {
        $results = $this->igor->get('/results.php');
        $this->report->section('publish, of serialize() of the same array');
        foreach ($results as $size => $measured) {
            $this->report->ratio(self::elements($size), array_column($measured, 'publish'), array_column($measured, 'serialize'),
                Target::atMost(2));
        }
        $this->report->section('publish of what is already there, of ===');
        foreach ($results as $size => $measured) {
            $this->report->ratio(self::elements($size), array_column($measured, 'unchanged'), array_column($measured, 'identity'),
                Target::atMost(1.2));
        }
    }
}
