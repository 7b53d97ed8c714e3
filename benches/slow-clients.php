<?php

// make bench-slow: what a thousand slow clients cost 64 that work: a third sends one byte of a form a second, a third reads
// one byte of a large answer a second, a third vanishes in the middle of a request. Rounds with and without them are
// interleaved; only the ratio is meant. The server's processor time for each request is printed too: it says the same where other
// programs share the machine, which disturb the throughput.
require __DIR__ . '/lib.php';

const SLOW_CLIENTS = 1000;

/** What those that work may lose of their throughput. */
const LOST_PERCENT_MAX = 10;

/** The clients: until the standard input ends. */
function be_slow(int $port): void
{
    $connect = static function (string $request) use ($port) {
        $stream = stream_socket_client("tcp://127.0.0.1:$port", $code, $error, 10);
        stream_set_blocking($stream, false);
        // Otherwise PHP reads 8 KiB where one byte is asked for.
        stream_set_read_buffer($stream, 0);
        fwrite($stream, $request);
        return $stream;
    };
    $form = "POST /hello.php HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\na=";
    $page = "GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n";
    $half = "POST /hello.php HTTP/1.1\r\nHost: a\r\nContent-Le";
    $senders = $readers = $vanishing = [];
    for ($i = 0; $i < SLOW_CLIENTS; $i++) {
        match ($i % 3) {
            0 => $senders[] = $connect($form),
            1 => $readers[] = $connect($page),
            2 => $vanishing[] = $connect($half),
        };
    }
    echo "ready\n";
    stream_set_blocking(STDIN, false);
    for ($second = 0; !feof(STDIN); $second++) {
        fread(STDIN, 1);
        // Spread over the second.
        for ($part = 0; $part < 10; $part++) {
            foreach ($senders as $index => $stream) {
                $index % 10 === $part && @fwrite($stream, 'x');
            }
            foreach ($readers as $index => $stream) {
                $index % 10 === $part && fread($stream, 1);
            }
            foreach ($vanishing as $index => $stream) {
                if ($index % 50 === $second % 5 * 10 + $part) {
                    fclose($stream);
                    $vanishing[$index] = $connect($half);
                }
            }
            usleep(100_000);
        }
    }
}

if ($argv[1] === 'clients') {
    be_slow((int) $argv[2]);
    exit;
}

[, $binaries] = $argv;
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 5);
$seconds = (int) (getenv('BENCH_SECONDS') ?: 3);
$root = scratch_folder();
copy(__DIR__ . '/http/hello.php', "$root/hello.php");
file_put_contents("$root/large.txt", str_repeat('x', 8 << 20));
$port = free_port();
file_put_contents("$root/Caddyfile", "{\n\tadmin off\n}\nhttp://127.0.0.1:$port {\n\troot $root\n\tphp_server\n}\n");
$igor = new Server(["$binaries/igor", 'run', '--config', "$root/Caddyfile"], $port);

$results = $costs = ['alone' => [], 'beside slow clients' => []];
$measure = static function (string $name) use (&$results, &$costs, $igor, $port, $seconds): void {
    $before = processor_seconds($igor->pid());
    $results[$name][] = $rate = requests_per_second($port, '/hello.php', $seconds);
    $costs[$name][] = (processor_seconds($igor->pid()) - $before) / max(1, $rate * $seconds) * 1e6;
};
/** Until the system has taken what it takes of the large answers for those who read slowly: that is no slow client's work yet. */
$slow_alone = [];
$wait_for_quiet = static function () use (&$slow_alone, $igor): void {
    for ($deadline = microtime(true) + 60; microtime(true) < $deadline;) {
        $before = processor_seconds($igor->pid());
        sleep(1);
        if (processor_seconds($igor->pid()) - $before < 0.15) {
            $before = processor_seconds($igor->pid());
            sleep(5);
            $slow_alone[] = (processor_seconds($igor->pid()) - $before) / 5 * 100;

            return;
        }
    }
    fwrite(STDERR, "the server did not become quiet beside slow clients alone\n");
};
for ($round = 0; $round < $rounds; $round++) {
    fwrite(STDERR, sprintf("round %d of %d\n", $round + 1, $rounds));
    $measure('alone');
    $clients = proc_open([PHP_BINARY, '-n', __FILE__, 'clients', (string) $port], [['pipe', 'r'], ['pipe', 'w']], $pipes);
    fgets($pipes[1]) === "ready\n" or throw new RuntimeException('the slow clients did not connect');
    $wait_for_quiet();
    $measure('beside slow clients');
    fclose($pipes[0]);
    proc_close($clients);
}
unset($measure, $wait_for_quiet, $igor);

printf("%s\n\n", machine());
printf("hello world, 64 connections, %d rounds of %d s        requests/s   of alone\n", $rounds, $seconds);
foreach ($results as $name => $values) {
    printf("  %-50s %12.0f %s\n", $name, median($values), ratio($values, $results['alone']));
}
printf("\n%-58s µs of CPU   of alone\n", 'each of these requests');
foreach ($costs as $name => $values) {
    printf("  %-50s %12.1f %s\n", $name, median($values), ratio($values, $costs['alone']));
}
$kept = array_map(static fn (float $beside, float $alone): float => $beside / $alone, $results['beside slow clients'],
    $results['alone']);
$lost = (1 - median($kept)) * 100;
printf("\nthroughput lost beside slow clients: %.1f %% ±%.1f %%; at most %d %%: %s\n", $lost, spread($kept), LOST_PERCENT_MAX,
    $lost <= LOST_PERCENT_MAX ? 'met' : 'not met');
printf("\nslow clients alone: %.1f %% of one core\n", median($slow_alone ?: [NAN]));
