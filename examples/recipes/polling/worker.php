<?php

declare(strict_types=1);

// Publishes what an HTTP API answers, once in POLL_SECONDS. While it fails, the last answer stays, and the worker asks
// again after pauses that grow from half a second to POLL_SECONDS.

$url = getenv('RATES_URL');
$every = (float) getenv('POLL_SECONDS');
$context = stream_context_create(['http' => ['timeout' => 3.0]]);
$handle = frankenphp_get_worker_handle();
$failures = 0;
do {
    try {
        $answer = @file_get_contents($url, context: $context);
        if ($answer === false) {
            throw new RuntimeException(error_get_last()['message']);
        }
        $rates = json_decode($answer, true, flags: JSON_THROW_ON_ERROR);
        frankenphp_set_vars(['rates' => $rates, 'fetched_at' => time()]);
        $failures = 0;
    } catch (RuntimeException | JsonException $error) {
        frankenphp_log("fetching $url: {$error->getMessage()}", 4);
        $failures++;
    }
    $pause = $failures === 0 ? $every : min($every, 0.25 * 2 ** min($failures, 20));

    // Sleeps, or ends when the server wants it to.
    $readable = [$handle];
    $none = null;
} while (stream_select($readable, $none, $none, (int) $pause, (int) (fmod($pause, 1) * 1e6)) === 0);
