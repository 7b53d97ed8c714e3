<?php

/** What resident memory grows by when many threads read a large snapshot, once and in many versions. */
final class MemoryBenchmark
{
    private const THREADS = 8;
    private const ELEMENTS = 240_000;
    private const VERSIONS = 1_000;
    /** The default of `process_budget_bytes`. */
    private const BUDGET_BYTES = 256 << 20;

    private Server $igor;
    /** @var resource */
    private $conductor;
    private int $peak = 0;

    public function __construct(private string $binaries, private string $scratch, private Report $report)
    {
    }

    public function run(): void
    {
        $port = free_port();
        $socket = "$this->scratch/memory.sock";
        $this->igor = new Server(["$this->binaries/igor", 'run', '--config', __DIR__ . '/Memory.Caddyfile'], $port,
            ['BENCH_PORT' => (string) $port, 'BENCH_ROOT' => __DIR__, 'BENCH_SOCKET' => $socket]);
        $this->conductor = $this->connect("unix://$socket");
        $this->order('make ' . self::ELEMENTS);
        // Every thread has served a request before the counting starts, so that only the snapshot is new.
        foreach (['/reader.php', '/reader-worker.php'] as $path) {
            $this->release($this->readers($port, "$path?socket=$socket"));
        }
        $before = $this->settled();

        $this->order('publish');
        $classic = $this->readers($port, "/reader.php?read=1&socket=$socket");
        $after_classic = $this->settled();
        $snapshot = $this->release($classic);
        $workers = $this->readers($port, "/reader-worker.php?read=1&socket=$socket");
        $after_workers = $this->settled();
        $this->report->value(self::THREADS . ' classic threads have read it, of one snapshot', $after_classic - $before, 'bytes',
            ($after_classic - $before) / $snapshot, Target::atMost(1.3, 'snapshots'));
        $this->report->value('and ' . self::THREADS . ' threads of an HTTP worker, of one snapshot', $after_workers - $before,
            'bytes', ($after_workers - $before) / $snapshot, Target::atMost(1.3, 'snapshots'));

        $this->peak = 0;
        $this->order('rounds ' . self::VERSIONS);
        $after_versions = $this->settled();
        $allowed = self::BUDGET_BYTES + 2 * $snapshot;
        $this->report->value(self::VERSIONS . ' versions, read by ' . self::THREADS . ' worker scripts that keep strings of each',
            $after_versions - $before, 'bytes', ($after_versions - $before) / $allowed, Target::atMost(1, 'of budget + 2'));
        $this->report->value('the same, at its highest moment', $this->peak - $before, 'bytes',
            ($this->peak - $before) / $allowed);
        $this->report->value('one snapshot of ' . number_format(self::ELEMENTS) . ' elements', $snapshot, 'bytes');
        $this->release($workers);
    }

    /** A socket that someone is about to listen on. */
    private function connect(string $address)
    {
        $deadline = microtime(true) + 30;
        while (!($socket = @stream_socket_client($address, $_, $error))) {
            if (microtime(true) > $deadline) {
                fwrite(STDERR, "connecting to $address failed: $error\n");
                exit(1);
            }
            usleep(20_000);
        }

        return $socket;
    }

    /** Sends a command to commanded.php, and watches memory until it is done. */
    private function order(string $command): void
    {
        fwrite($this->conductor, "$command\n");
        do {
            $this->peak = max($this->peak, resident($this->igor->pid()));
            $ready = [$this->conductor];
            $none = [];
        } while (stream_select($ready, $none, $none, 0, 50_000) === 0);
        if (fgets($this->conductor) !== "done\n") {
            fwrite(STDERR, "the publisher ended during: $command\n");
            exit(1);
        }
    }

    /**
     * As many requests at once as there are threads; each waits until it is released, so each has a thread of its own.
     *
     * @return list<resource>
     */
    private function readers(int $port, string $path): array
    {
        $requests = [];
        for ($i = 0; $i < self::THREADS; $i++) {
            $request = stream_socket_client("tcp://127.0.0.1:$port");
            stream_set_timeout($request, 600);
            fwrite($request, "GET $path HTTP/1.1\r\nHost: 127.0.0.1:$port\r\nConnection: close\r\n\r\n");
            $requests[] = $request;
        }
        $this->order('await ' . self::THREADS);

        return $requests;
    }

    /** Releases the readers, and returns the bytes of the snapshot that they read. */
    private function release(array $requests): int
    {
        $this->order('release');
        foreach ($requests as $request) {
            $answer = stream_get_contents($request);
            $result = json_decode(substr($answer, (int) strpos($answer, "\r\n\r\n")), true);
            if (!is_array($result)) {
                fwrite(STDERR, "a reader failed:\n$answer\n");
                exit(1);
            }
        }

        return $result['bytes'];
    }

    /** Resident memory once it has stopped changing: large snapshots are freed in the background. */
    private function settled(): int
    {
        $deadline = microtime(true) + 5;
        do {
            $before = resident($this->igor->pid());
            usleep(200_000);
            $now = resident($this->igor->pid());
        } while (abs($now - $before) > 256 << 10 && microtime(true) < $deadline);

        return $now;
    }
}
