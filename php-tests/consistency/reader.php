<?php

// Answers with what two workers have published. Runs as a classic script and as an HTTP worker.

$answer = static function (): void {
    header('Content-Type: application/json');
    echo json_encode(frankenphp_get_vars(['publisher', 'crasher']));
};

if (isset($_SERVER['FRANKENPHP_WORKER'])) {
    frankenphp_ensure_background_worker(['publisher', 'crasher']);
    while (frankenphp_handle_request($answer)) {
    }
} else {
    frankenphp_ensure_background_worker(['publisher', 'crasher']);
    $answer();
}
