<?php

declare(strict_types=1);

// Publishes the Redis hash "flags", and does so again whenever something is published on the channel "flags":
//
//     HSET flags new-checkout on
//     PUBLISH flags changed
//
// A message is only the news that there is news: what is lost while the connection is down is found in the hash after it.

/** A message may get lost without a sign, when a connection dies; so the hash is also read this often. */
const READ_EVERY_SECONDS = 30;
const PAUSE_SECONDS_MAX = 5.0;

final class RedisFailed extends RuntimeException
{
}

/** @return resource */
function connect(string $address)
{
    $stream = @stream_socket_client("tcp://$address", $code, $message, 1.0);
    if ($stream === false) {
        throw new RedisFailed("connecting to $address: $message");
    }
    stream_set_timeout($stream, 1);
    return $stream;
}

/** Sends a command whose words have no spaces, and returns the reply. @param resource $stream */
function ask($stream, string $command): mixed
{
    @fwrite($stream, "$command\r\n");
    return reply($stream);
}

/** Reads a reply (RESP 2). @param resource $stream */
function reply($stream): mixed
{
    $line = fgets($stream);
    if ($line === false) {
        throw new RedisFailed('the connection was closed, or there was no answer in time');
    }
    $rest = rtrim(substr($line, 1));
    return match ($line[0]) {
        '+' => $rest,
        ':' => (int) $rest,
        '$' => $rest < 0 ? null : substr(stream_get_contents($stream, $rest + 2), 0, -2),
        '*' => array_map(static fn () => reply($stream), $rest > 0 ? range(1, (int) $rest) : []),
        default => throw new RedisFailed($line),
    };
}

/** Waits until one of the streams has something to read, or the time is over. @return list<resource> those that have */
function wait(array $streams, float $seconds): array
{
    $none = null;
    stream_select($streams, $none, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6));
    return $streams;
}

$handle = frankenphp_get_worker_handle();
$pause = 0.1;
do {
    try {
        $messages = connect(getenv('REDIS'));
        ask($messages, 'SUBSCRIBE flags');
        // A connection with a subscription takes no other commands.
        $data = connect(getenv('REDIS'));
        do {
            $flags = [];
            foreach (array_chunk(ask($data, 'HGETALL flags'), 2) as [$flag, $value]) {
                $flags[$flag] = $value;
            }
            frankenphp_set_vars(['flags' => $flags]);
            $pause = 0.1;

            $ready = wait([$handle, $messages], READ_EVERY_SECONDS);
            // Many messages in a row are one reason to read the hash.
            for ($i = 0; $i < 1000 && wait([$messages], 0) !== []; $i++) {
                reply($messages);
            }
        } while (!in_array($handle, $ready, true));
    } catch (RedisFailed $error) {
        frankenphp_log('Redis at ' . getenv('REDIS') . ": {$error->getMessage()}", 4);
        $ready = wait([$handle], $pause);
        $pause = min(2 * $pause, PAUSE_SECONDS_MAX);
    }
} while (!in_array($handle, $ready, true));
