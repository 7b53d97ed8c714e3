<?php

// Runs the PHP code in the request's body and answers with what it returned or threw.
// With `?raw` in the query the code alone answers, and nothing is caught. This file is a classic script; worker.php does
// the same as an HTTP worker.

function outcome(callable $code): string
{
    try {
        return json_encode(['value' => $code()], JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
    } catch (Throwable $thrown) {
        return json_encode(['class' => $thrown::class, 'message' => $thrown->getMessage()], JSON_INVALID_UTF8_SUBSTITUTE);
    }
}

function answer(Closure $code): void
{
    if (isset($_GET['raw'])) {
        $code();
    } else {
        echo outcome($code);
    }
}

if (!isset($_SERVER['FRANKENPHP_WORKER'])) {
    $code = file_get_contents('php://input');
    answer(static fn () => eval($code));
}
