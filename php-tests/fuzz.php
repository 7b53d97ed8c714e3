<?php

// What a script must never see, whatever bytes a client sends (tests/integration/fuzz_connections.rs). In classic mode, and as an
// HTTP worker.

function look(): void
{
    $wrong = [];
    $body = file_get_contents('php://input');
    $length = $_SERVER['CONTENT_LENGTH'] ?? '';
    $is_form = str_starts_with(strtolower($_SERVER['CONTENT_TYPE'] ?? ''), 'multipart/form-data');
    // A body that is read as it comes may break off.
    $is_whole = !isset($_SERVER['STREAMED']);
    if ($is_whole && $length !== '' && !$is_form && (int) $length !== strlen($body)) {
        $wrong[] = "the body has " . strlen($body) . " bytes of $length";
    }
    // A web server in front is taken at its word.
    if (isset($_SERVER['FCGI_ROLE'])) {
        $_SERVER += ['REQUEST_METHOD' => 'GET', 'REQUEST_URI' => '/'];
        $_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
    }
    if (!preg_match('/^[!#$%&\'*+.^_`|~0-9A-Za-z-]+$/D', $_SERVER['REQUEST_METHOD'])) {
        $wrong[] = 'the method is no word';
    }
    foreach ($_SERVER as $name => $value) {
        // PHP decodes these from base64, and any byte may be in them.
        if (in_array($name, ['PHP_AUTH_USER', 'PHP_AUTH_PW'], true)) {
            continue;
        }
        if (is_string($value) && !isset($_SERVER['FCGI_ROLE']) && preg_match('/[\x00\r\n]/', "$name$value")) {
            $wrong[] = "control characters in $name";
        }
    }
    if (preg_match('/[\x00-\x20\x7f]/', $_SERVER['REQUEST_URI'])) {
        $wrong[] = 'blanks in the target';
    }
    if (!preg_match('~^HTTP/(1\.[01]|2\.0)$~D', $_SERVER['SERVER_PROTOCOL'])) {
        $wrong[] = 'the protocol';
    }
    if ($is_whole && connection_aborted()) {
        $wrong[] = 'a form that is not whole';
    }
    foreach ($wrong as $message) {
        error_log("seen by a script: $message in " . rawurlencode($_SERVER['REQUEST_METHOD'] . ' ' . $_SERVER['REQUEST_URI']));
    }
    header('X-Seen: ' . strlen($body));
    echo json_encode([$_SERVER['REQUEST_METHOD'], strlen($body), count($_GET), count($_POST), count($_COOKIE), count($_FILES)]);
}

if (isset($_SERVER['FRANKENPHP_WORKER'])) {
    while (frankenphp_handle_request(look(...))) {
    }
} else {
    look();
}
