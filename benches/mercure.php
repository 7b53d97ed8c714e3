<?php

// make bench-mercure: what a subscriber of the hub costs, and how soon an update is with the last of them, beside a plain hyper
// server that sends the same events. Rounds of both are interleaved; only the ratio is meant. Then many updates to ten
// subscribers: the memory of the server must stay the same. BENCH_SUBSCRIBERS, BENCH_ROUNDS and BENCH_UPDATES change the numbers.
require __DIR__ . '/lib.php';

const FLOOD_SUBSCRIBERS = 10;

/** The parts of the flood after which the memory is read. The first fills the history. */
const FLOOD_PARTS = 10;

/** Subscribers in a process of their own, which does what it is asked by lines. */
final class Clients
{
    /** @var resource */
    private $process;
    /** @var resource[] */
    private array $pipes = [];

    public function __construct(string $program, int $port, int $count, string $token)
    {
        $command = with_many_files([$program, 'clients', "127.0.0.1:$port", (string) $count, $token]);
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w']], $pipes);
        $this->pipes = $pipes;
        $this->answer() === 'connected' or throw new RuntimeException('the clients did not connect');
    }

    public function ask(string $line): float
    {
        fwrite($this->pipes[0], "$line\n");

        return (float) $this->answer();
    }

    private function answer(): string
    {
        $line = fgets($this->pipes[1]);
        // The program has said why.
        $line === false and exit(1);

        return trim($line);
    }

    public function __destruct()
    {
        array_map(fclose(...), $this->pipes);
        proc_close($this->process);
    }
}

/** The command with as many open files as the system allows; Igor itself does that alone. */
function with_many_files(array $command): array
{
    return ['sh', '-c', 'ulimit -n "$(ulimit -H -n)"; exec "$@"', 'sh', ...$command];
}

function encoded(string $bytes): string
{
    return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
}

function publisher_token(string $key): string
{
    $message = encoded('{"alg":"HS256","typ":"JWT"}') . '.' . encoded('{"mercure":{"publish":["*"]}}');

    return $message . '.' . encoded(hash_hmac('sha256', $message, $key, true));
}

[, $binaries] = $argv;
$count = (int) (getenv('BENCH_SUBSCRIBERS') ?: 10_000);
$rounds = (int) (getenv('BENCH_ROUNDS') ?: 30);
$updates = (int) (getenv('BENCH_UPDATES') ?: 1_000_000);
$program = getenv('BENCH_CLIENTS') ?: "$binaries/examples/mercure";
$key = bin2hex(random_bytes(32));
$token = publisher_token($key);
$root = scratch_folder();
$start_igor = static function () use ($binaries, $root, $key, &$port): Server {
    $port = free_port();
    $hub = "mercure {\n\tpublisher_jwt $key\n\tanonymous\n\twrite_timeout 24h\n\tdispatch_timeout 1m\n}";
    file_put_contents("$root/Caddyfile", "{\n\tadmin off\n}\nhttp://127.0.0.1:$port {\n\t$hub\n}\n");

    return new Server(["$binaries/igor", 'run', '--config', "$root/Caddyfile"], $port);
};

$plain_port = free_port();
$servers = [
    'plain hyper' => new Server(with_many_files([$program, 'serve', "127.0.0.1:$plain_port"]), $plain_port),
    'the hub' => $start_igor(),
];
$ports = ['plain hyper' => $plain_port, 'the hub' => $port];
$clients = $memory = $results = [];
foreach ($servers as $name => $server) {
    $before = resident($server->pid());
    $clients[$name] = new Clients($program, $ports[$name], $count, $token);
    $memory[$name] = (resident($server->pid()) - $before) / $count / 1024;
    // The first update makes what later ones use again.
    $clients[$name]->ask('publish');
}
for ($round = 0; $round < $rounds; $round++) {
    foreach ($clients as $name => $those) {
        $results[$name][] = $those->ask('publish');
    }
}
printf("%s\n\n%d subscribers, %d rounds %17s KiB of memory each    of plain\n", machine(), $count, $rounds, '');
foreach ($memory as $name => $kilobytes) {
    printf("  %-50s %10.1f %12.2f\n", $name, $kilobytes, $kilobytes / $memory['plain hyper']);
}
printf("\n%-52s ms to the last   of plain\n", 'one update of 100 bytes');
foreach ($results as $name => $values) {
    printf("  %-50s %10.1f %s\n", $name, median($values), ratio($values, $results['plain hyper']));
}
unset($clients, $those, $servers, $server);

$server = $start_igor();
$few = new Clients($program, $port, FLOOD_SUBSCRIBERS, $token);
$resident = [];
$took = 0.0;
for ($part = 0; $part < FLOOD_PARTS; $part++) {
    $took += $few->ask('flood ' . intdiv($updates, FLOOD_PARTS));
    $resident[] = resident($server->pid()) / 1024 / 1024;
}
printf("\n%d updates to %d subscribers: %.0f a second; memory after each tenth, in MiB:\n  %s\n", $updates, FLOOD_SUBSCRIBERS,
    $updates / $took, implode(' ', array_map(static fn (float $value): string => sprintf('%.1f', $value), $resident)));
unset($few, $server);
