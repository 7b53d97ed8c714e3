<?php

/** A client of Redis that does what these measurements need and nothing else, so that little of it is measured. */
final class RedisClient
{
    /** @var resource */
    private $stream;

    public function __construct(string $socket)
    {
        $this->stream = stream_socket_client("unix://$socket");
        stream_set_timeout($this->stream, 60);
    }

    /** The answer: a number, a string, null, or a list of these. */
    public function call(string ...$words): int|string|array|null
    {
        $request = '*' . count($words) . "\r\n";
        foreach ($words as $word) {
            $request .= '$' . strlen($word) . "\r\n$word\r\n";
        }
        fwrite($this->stream, $request);

        return $this->read();
    }

    private function read(): int|string|array|null
    {
        $line = rtrim((string) fgets($this->stream), "\r\n");
        $number = (int) substr($line, 1);

        return match ($line[0] ?? '') {
            ':' => $number,
            '+' => substr($line, 1),
            '$' => $number < 0 ? null : substr((string) stream_get_contents($this->stream, $number + 2), 0, -2),
            '*' => $number < 0 ? null : array_map(fn (): int|string|array|null => $this->read(), range(1, $number)),
            default => throw new RuntimeException("Redis says: $line"),
        };
    }
}
