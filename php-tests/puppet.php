<?php

// A background worker that does what a test tells it: PHP code comes in over a unix socket, a line of JSON each, and
// what it returned or threw goes back. BOOT in its environment is code that runs first. It ends when it is told to stop.

require_once __DIR__ . '/eval.php';

/** The first number that no other thread of the pool holds. */
function take_number(string $name): array
{
    for ($number = 0;; $number++) {
        $lock = fopen(getenv('DIR') . "/$name.$number.lock", 'c');
        if (flock($lock, LOCK_EX | LOCK_NB)) {
            return [$number, $lock];
        }
    }
}

// Workers of one name in two scopes need names of their own for their sockets.
$name = getenv('PUPPET') ?: $_SERVER['FRANKENPHP_WORKER_NAME'];
eval(getenv('BOOT') ?: '');

[$number, $lock] = take_number($name);
// A child that was forked has the lock too, and may live on. Its own end leaves the lock alone.
$process = getmypid();
register_shutdown_function(static fn () => getmypid() === $process && flock($lock, LOCK_UN));
$path = getenv('DIR') . "/$name.$number.sock";
@unlink($path);
$server = stream_socket_server("unix://$path");
$handle = frankenphp_get_worker_handle();
$clients = [];

while (true) {
    $readable = [$handle, $server, ...$clients];
    $writable = $except = null;
    if (stream_select($readable, $writable, $except, null) === false) {
        continue;
    }
    if (in_array($handle, $readable, true)) {
        break;
    }
    foreach ($readable as $stream) {
        if ($stream === $server) {
            $clients[] = stream_socket_accept($server);
            continue;
        }
        $line = fgets($stream);
        if ($line === false) {
            unset($clients[array_search($stream, $clients, true)]);
            fclose($stream);
            continue;
        }
        ['code' => $code, 'caught' => $caught] = json_decode($line, true);
        if ($caught) {
            fwrite($stream, outcome(static fn () => eval($code)) . "\n");
        } else {
            // The next run must be the only one that a test can reach.
            unlink($path);
            fclose($server);
            (static fn () => eval($code))();
        }
    }
}
