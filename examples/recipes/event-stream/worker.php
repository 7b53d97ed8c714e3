<?php

declare(strict_types=1);

// Follows an HTTP event stream ("server-sent events") whose events are JSON objects, and publishes all of them merged:
//
//     id: 41
//     data: {"EUR": 1.08}
//
// After a lost connection it sends the server the last id it saw, so that nothing in between is missed.

/** Servers send a comment now and then; after this long without a byte the connection is taken for dead. */
const SILENCE_SECONDS = 45.0;
const PAUSE_SECONDS_MAX = 30.0;
const EVENT_BYTES_MAX = 1024 * 1024;

final class StreamLost extends RuntimeException
{
}

/** @return resource */
function open_stream(string $url, string $last_id)
{
    $headers = ['Accept: text/event-stream', 'Cache-Control: no-store'];
    if ($last_id !== '') {
        $headers[] = "Last-Event-ID: $last_id";
    }
    // stream_select() takes no stream with a filter, and PHP puts one on the chunks of HTTP/1.1. HTTP/1.0 has none.
    $http = ['header' => $headers, 'timeout' => 3.0, 'protocol_version' => 1.0];
    $context = stream_context_create(['http' => $http]);
    $stream = @fopen($url, 'r', context: $context);
    if ($stream === false) {
        throw new StreamLost(error_get_last()['message']);
    }
    stream_set_blocking($stream, false);
    return $stream;
}

/** Waits until the stream has something, or the time is over. @return list<resource> which of the two can be read */
function wait(array $streams, float $seconds): array
{
    $none = null;
    stream_select($streams, $none, $none, (int) $seconds, (int) (fmod($seconds, 1) * 1e6));
    return $streams;
}

/** Takes the complete events out of the text that has arrived. @return list<array{id: ?string, data: string}> */
function events(string &$text): array
{
    $blocks = preg_split('/\r?\n\r?\n/', $text);
    $text = array_pop($blocks);
    if (strlen($text) > EVENT_BYTES_MAX) {
        throw new StreamLost('an event is larger than ' . EVENT_BYTES_MAX . ' bytes');
    }
    $events = [];
    foreach ($blocks as $block) {
        preg_match_all('/^(id|data): ?(.*?)\r?$/m', $block, $lines, PREG_SET_ORDER);
        $event = ['id' => null, 'data' => ''];
        foreach ($lines as [, $field, $value]) {
            $event[$field] = $field === 'data' ? "{$event['data']}$value\n" : $value;
        }
        $events[] = $event;
    }
    return $events;
}

$handle = frankenphp_get_worker_handle();
// What an earlier run published is where this one continues.
try {
    ['prices' => $prices, 'last_id' => $last_id] = frankenphp_get_vars($_SERVER['FRANKENPHP_WORKER_NAME']);
} catch (RuntimeException) {
    [$prices, $last_id] = [[], ''];
}
$pause = 0.1;
do {
    try {
        $stream = open_stream(getenv('EVENTS_URL'), $last_id);
        $text = '';
        while (!in_array($handle, $ready = wait([$handle, $stream], SILENCE_SECONDS), true)) {
            $bytes = fread($stream, 65536);
            if ($ready === [] || $bytes === false || ($bytes === '' && feof($stream))) {
                throw new StreamLost($ready === [] ? 'nothing came for ' . SILENCE_SECONDS . ' s' : 'the server closed it');
            }
            $text .= $bytes;
            foreach (events($text) as ['id' => $id, 'data' => $data]) {
                $changed = json_decode($data, true);
                $prices = array_replace($prices, is_array($changed) ? $changed : []);
                $last_id = $id ?? $last_id;
            }
            if ($prices !== []) {
                frankenphp_set_vars(['prices' => $prices, 'last_id' => $last_id]);
            }
            $pause = 0.1;
        }
    } catch (StreamLost $error) {
        frankenphp_log('the event stream ' . getenv('EVENTS_URL') . ": {$error->getMessage()}", 4);
        $ready = wait([$handle], $pause);
        $pause = min(2 * $pause, PAUSE_SECONDS_MAX);
    }
} while (!in_array($handle, $ready, true));
