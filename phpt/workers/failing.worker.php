<?php
// Ends before it is ready, in the way that its name describes.
match ($_SERVER['FRANKENPHP_WORKER_NAME']) {
    'throws' => throw new DomainException("no connection\nsecond line", 5),
    'exits' => exit(3),
    'returns' => null,
    'fatal' => no_such_function(),
    'memory' => str_repeat('x', PHP_INT_MAX >> 8),
    'parse' => require __DIR__ . '/../include/parse_error.inc',
    'dies' => die("last words\n"),
};
