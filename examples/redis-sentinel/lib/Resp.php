<?php

declare(strict_types=1);

/** An error that Redis answered: the connection is fine, the command was not. */
final class RedisError extends RuntimeException
{
    /** Its first word, such as `ERR` or `READONLY`. */
    public function kind(): string
    {
        return explode(' ', $this->getMessage(), 2)[0];
    }
}

/** The connection could not be made, or is of no use any more. */
final class ConnectionLost extends RuntimeException
{
}

/** The replies in the bytes of a connection (RESP 2), however the network cut them. */
final class RespReader
{
    private const BUFFER_BYTES_MAX = 1024 * 1024;
    private const DEPTH_MAX = 8;

    private string $buffer = '';
    /** How far the reply that is being read has been read. */
    private int $position = 0;

    public function feed(string $bytes): void
    {
        $this->buffer .= $bytes;
        if (strlen($this->buffer) > self::BUFFER_BYTES_MAX) {
            throw new ConnectionLost('the reply is larger than ' . self::BUFFER_BYTES_MAX . ' bytes');
        }
    }

    /** Takes the next reply out, in an array of its own; null when it has not arrived completely. */
    public function next(): ?array
    {
        $this->position = 0;
        $reply = $this->value(self::DEPTH_MAX);
        if ($reply !== null) {
            $this->buffer = substr($this->buffer, $this->position);
        }
        return $reply;
    }

    private function value(int $depth): ?array
    {
        $line = $this->line();
        if ($line === null) {
            return null;
        }
        $rest = substr($line, 1);
        return match ($line[0] ?? '') {
            '+' => [$rest],
            '-' => [new RedisError($rest)],
            ':' => [(int) $rest],
            '$' => $this->bulk((int) $rest),
            '*' => $this->items((int) $rest, $depth),
            default => throw new ConnectionLost('this is not a Redis server: it answered "' . substr($line, 0, 40) . '"'),
        };
    }

    private function line(): ?string
    {
        $end = strpos($this->buffer, "\r\n", $this->position);
        if ($end === false) {
            return null;
        }
        $line = substr($this->buffer, $this->position, $end - $this->position);
        $this->position = $end + 2;
        return $line;
    }

    private function bulk(int $length): ?array
    {
        if ($length < 0) {
            return [null];
        }
        if (strlen($this->buffer) < $this->position + $length + 2) {
            return null;
        }
        $text = substr($this->buffer, $this->position, $length);
        $this->position += $length + 2;
        return [$text];
    }

    private function items(int $count, int $depth): ?array
    {
        if ($depth === 0) {
            throw new ConnectionLost('the reply is nested too deeply');
        }
        $items = $count < 0 ? null : [];
        for ($i = 0; $i < $count; $i++) {
            $item = $this->value($depth - 1);
            if ($item === null) {
                return null;
            }
            $items[] = $item[0];
        }
        return [$items];
    }
}

/** A connection to a Redis server or a Sentinel, in which nothing waits longer than it was asked to. */
final class RedisConnection
{
    private const READ_BYTES = 16 * 1024;

    /** @var resource */
    private $stream;
    private readonly RespReader $reader;

    public function __construct(string $host, int $port, float $timeout)
    {
        // The colons of an IPv6 address would be taken for the one before the port.
        $host = str_contains($host, ':') ? "[$host]" : $host;
        $stream = @stream_socket_client("tcp://$host:$port", $code, $message, $timeout);
        if ($stream === false) {
            throw new ConnectionLost("connecting to $host:$port: $message");
        }
        stream_set_blocking($stream, false);
        $this->stream = $stream;
        $this->reader = new RespReader();
    }

    /**
     * Sends a command and waits for its reply.
     *
     * @throws ConnectionLost there is none within $timeout seconds
     * @throws RedisError it is an error
     */
    public function command(float $timeout, string ...$arguments): mixed
    {
        $deadline = microtime(true) + $timeout;
        $this->send(...$arguments);
        while (($reply = $this->reader->next()) === null) {
            $left = $deadline - microtime(true);
            $readable = [$this->stream];
            $writable = $exceptional = null;
            if ($left <= 0 || !stream_select($readable, $writable, $exceptional, (int) $left, (int) (fmod($left, 1) * 1e6))) {
                throw new ConnectionLost("no answer to $arguments[0] within $timeout s");
            }
            $this->read();
        }
        return $reply[0] instanceof RedisError ? throw $reply[0] : $reply[0];
    }

    /** Sends a command without waiting for the reply. Commands are short, so they fit the socket's buffer. */
    public function send(string ...$arguments): void
    {
        $bytes = '*' . count($arguments) . "\r\n";
        foreach ($arguments as $argument) {
            $bytes .= '$' . strlen($argument) . "\r\n$argument\r\n";
        }
        if (@fwrite($this->stream, $bytes) !== strlen($bytes)) {
            throw new ConnectionLost('the connection takes no more bytes');
        }
    }

    /** The replies that have arrived by now. To be called when stream() is readable. */
    public function arrived(): array
    {
        $this->read();
        $replies = [];
        while (($reply = $this->reader->next()) !== null) {
            $replies[] = $reply[0];
        }
        return $replies;
    }

    /** @return resource for stream_select() */
    public function stream()
    {
        return $this->stream;
    }

    private function read(): void
    {
        $bytes = @fread($this->stream, self::READ_BYTES);
        if ($bytes === false || ($bytes === '' && feof($this->stream))) {
            throw new ConnectionLost('the other side closed the connection');
        }
        $this->reader->feed($bytes);
    }
}
