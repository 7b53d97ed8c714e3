<?php

/** Sends commands to commanded.php from inside of a script. */
final class Conductor
{
    /** @var resource */
    private $socket;

    public function __construct(string $path)
    {
        $this->socket = stream_socket_client("unix://$path");
    }

    /** Sends the command and waits until it is done. */
    public function order(string $command): void
    {
        fwrite($this->socket, "$command\n");
        if (fgets($this->socket) !== "done\n") {
            throw new RuntimeException("the publisher ended during: $command");
        }
    }
}

/** The median of times that were taken with hrtime(), less what taking one costs. */
function middle(array $times): int
{
    $timer = PHP_INT_MAX;
    for ($i = 0; $i < 10; $i++) {
        $start = hrtime(true);
        $timer = min($timer, hrtime(true) - $start);
    }
    sort($times);

    return max(1, $times[intdiv(count($times), 2)] - $timer);
}
