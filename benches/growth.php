<?php

// make bench-growth: what grows with the number of connections, sites, routes, header fields and chunks, and how. Costs are the
// processor time of the server, which other programs on the machine hardly change, or its resident memory. For each line it says
// whether ten times as many cost at most about ten times as much.
require __DIR__ . '/lib.php';

/** A cost may grow by this power of the number; 1 is linear. The rest is for the noise of the clock. */
const POWER_MAX = 1.15;

/** Where the most cost less than this many times the fewest, the number hardly matters, and the difference is noise. */
const HARDLY = 1.5;

/** Below it, ten milliseconds of the clock of processor time are too much of a measurement. */
const SECONDS_MIN = 0.3;

[, $binaries] = $argv;
$scale = (int) (getenv('BENCH_SCALE') ?: 1);
posix_setrlimit(POSIX_RLIMIT_NOFILE, 40_000, 40_000) || posix_setrlimit(POSIX_RLIMIT_NOFILE, 1024, 40_000);
$scratch = scratch_folder();
$failed = false;

/** A server with these blocks after the global options; PORT is replaced. */
function served(string $blocks): array
{
    global $binaries, $scratch;
    $port = free_port();
    $options = "{\n\tadmin off\n\tlog {\n\t\tlevel ERROR\n\t}\n\tfrankenphp {\n\t\tnum_threads 4\n\t}\n}\n";
    file_put_contents("$scratch/Caddyfile", $options . str_replace('PORT', (string) $port, $blocks));

    return [new Server(["$binaries/igor", 'run', '--config', "$scratch/Caddyfile"], $port), $port];
}

/** @return resource */
function connection(int $port)
{
    $stream = stream_socket_client("tcp://127.0.0.1:$port", $code, $error, 30) ?: exit("no connection: $error\n");
    stream_set_timeout($stream, 60);

    return $stream;
}

/** Reads a response, and returns its body. */
function answer($stream): string
{
    $head = '';
    while (!str_ends_with($head, "\r\n\r\n")) {
        $line = fgets($stream);
        $line !== false || exit("the connection has ended after: $head\n");
        $head .= $line;
    }
    str_starts_with($head, 'HTTP/1.1 200') || exit("not answered: $head\n");
    if (preg_match('/^content-length: (\d+)/mi', $head, $found)) {
        return $found[1] > 0 ? (string) stream_get_contents($stream, (int) $found[1]) : '';
    }
    for ($body = ''; ($size = hexdec(trim((string) fgets($stream)))) > 0;) {
        $body .= stream_get_contents($stream, $size);
        fgets($stream);
    }
    fgets($stream);

    return $body;
}

/** Processor seconds of the server for one call, which is repeated until there is enough to measure. */
function cost(Server $server, callable $call): float
{
    $call();
    $before = processor_seconds($server->pid());
    for ($calls = 0, $batch = 1; ; $batch *= 2) {
        for ($i = 0; $i < $batch; $i++) {
            $call();
        }
        $calls += $batch;
        $used = processor_seconds($server->pid()) - $before;
        if ($used >= SECONDS_MIN) {
            return $used / $calls;
        }
    }
}

/** Prints the costs of a thing by its number, and whether they grow in proportion at most. `$free` is the cost without any. */
function line(string $what, array $costs, string $unit, float $free = 0): void
{
    global $failed;
    [$few, $many] = [array_key_first($costs), array_key_last($costs)];
    $each = ($costs[$many] - $costs[$few]) / ($many - $few);
    // What does not depend on the number is no part of the growth. It cannot be more than the fewest cost, whatever the clock says.
    $free = min($free, 0.9 * $costs[$few]);
    $power = log(max($costs[$many] - $free, 1e-12) / max($costs[$few] - $free, 1e-12)) / log($many / $few);
    $met = $power <= POWER_MAX || $costs[$many] <= HARDLY * $costs[$few];
    $failed = $failed || !$met;
    printf("  %-44s %-50s %10.3f %s each   power %5.2f: %s\n", $what,
        implode('  ', array_map(static fn (int $number, float $cost): string => sprintf('%s: %.4g', number_format($number), $cost),
            array_keys($costs), $costs)), $each, $unit, $power, $met ? 'linear or better' : 'worse than linear');
}

printf("%s\n\n", machine());

/** Resident bytes of connections that have sent this and wait. */
function waiting(string $what, array $numbers, string $sent, bool $is_answered): void
{
    $costs = [];
    foreach ($numbers as $number) {
        [$server, $port] = served("http://127.0.0.1:PORT {\n\trespond hello\n}\n");
        $first = connection($port);
        fwrite($first, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        answer($first);
        $before = resident($server->pid());
        for ($open = []; count($open) < $number; $open[] = $stream) {
            $stream = connection($port);
            fwrite($stream, $sent);
            $is_answered && answer($stream);
        }
        // The server has taken what was sent before it answers this.
        for ($i = 0; $i < 20; $i++) {
            fwrite($first, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            answer($first);
            usleep(10_000);
        }
        $costs[$number] = (resident($server->pid()) - $before) / 1024;
        unset($open, $server);
    }
    line($what, $costs, 'KiB');
}

$whole = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
waiting('idle connections', [1000 * $scale, 10_000 * $scale], $whole, true);
waiting('idle connections after a head of 60 KB', [200 * $scale, 2000 * $scale],
    "GET / HTTP/1.1\r\nHost: a\r\nX-Large: " . str_repeat('x', 60_000) . "\r\n\r\n", true);
waiting('heads without an end, 62 KB each', [200 * $scale, 2000 * $scale, 10_000 * $scale],
    "GET / HTTP/1.1\r\nHost: a\r\nX-Large: " . str_repeat('x', 62_000), false);

/** Microseconds of a request to the last of many. */
function among(string $what, callable $blocks, callable $request): void
{
    $costs = [];
    foreach ([1, 10, 100, 1000] as $number) {
        [$server, $port] = served($blocks($number));
        $stream = connection($port);
        $costs[$number] = 1e6 * cost($server, static function () use ($stream, $request, $number): void {
            fwrite($stream, $request($number));
            answer($stream);
        });
    }
    $free = $costs[1];
    line($what, array_slice($costs, 1, null, true), 'us', $free * 0.9);
}

among('sites', static fn (int $number): string => implode('', array_map(
    static fn (int $i): string => "http://site-$i.localhost:PORT {\n\tbind 127.0.0.1\n\trespond hello\n}\n", range(1, $number))),
    static fn (int $number): string => "GET / HTTP/1.1\r\nHost: site-$number.localhost\r\n\r\n");
among('routes of a site', static fn (int $number): string => "http://127.0.0.1:PORT {\n" . implode('', array_map(
    static fn (int $i): string => "\thandle /path-$i/* {\n\t\trespond hello\n\t}\n", range(1, $number))) . "}\n",
    static fn (int $number): string => "GET /path-$number/x HTTP/1.1\r\nHost: a\r\n\r\n");

[$server, $port] = served("http://127.0.0.1:PORT {\n\troot " . __DIR__ . "/growth\n\tphp_server\n}\n");

/** Microseconds of a request by a number. */
function by_number(string $what, array $numbers, callable $exchange): void
{
    global $server, $port;
    $stream = connection($port);
    $call = static fn (int $number): float => 1e6 * cost($server, static fn () => $exchange($stream, $number));
    $costs = array_combine($numbers, array_map($call, $numbers));
    line($what, $costs, 'us', $call(0) * 0.9);
}

by_number('fields of a request', [9, 90], static function ($stream, int $number): void {
    $fields = implode('', array_map(static fn (int $i): string => "X-Field-$i: a value of some length\r\n", range(0, $number)));
    fwrite($stream, "GET /fields.php?count=0 HTTP/1.1\r\nHost: a\r\n$fields\r\n");
    answer($stream) === (string) ($number + 2) || exit("wrong fields\n");
});
by_number('fields of a response', [50, 500], static function ($stream, int $number): void {
    fwrite($stream, "GET /fields.php?count=$number HTTP/1.1\r\nHost: a\r\n\r\n");
    answer($stream);
});
by_number('chunks of one byte in a request', [1000, 10_000, 100_000], static function ($stream, int $number): void {
    fwrite($stream, "POST /body.php HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" . str_repeat("1\r\nx\r\n", $number)
        . "0\r\n\r\n");
    answer($stream) === (string) $number || exit("wrong body\n");
});
by_number('flushes of one byte in a response', [1000, 10_000], static function ($stream, int $number): void {
    fwrite($stream, "GET /chunks.php?count=$number HTTP/1.1\r\nHost: a\r\n\r\n");
    strlen(answer($stream)) === $number || exit("wrong body\n");
});
unset($server);
exit($failed ? 1 : 0);
