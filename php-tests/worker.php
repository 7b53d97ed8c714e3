<?php

// An HTTP worker that runs the PHP code in each request's body. BOOT in its environment is code that runs before the
// first request; $state lives as long as the script.

require_once __DIR__ . '/eval.php';

$state = new stdClass();
$state->requests = 0;
eval(getenv('BOOT') ?: '');

$handle = static function () use ($state): void {
    $state->requests++;
    $code = file_get_contents('php://input');
    answer(static function () use ($code, $state) {
        return eval($code);
    });
};

while (frankenphp_handle_request($handle)) {
}

eval(getenv('END') ?: '');
