<?php

// Answers with everything that PHP knows of the request.

header('Content-Type: application/json');

$files = [];
foreach ($_FILES as $field => $file) {
    $files[$field] = [
        'name' => $file['name'],
        'type' => $file['type'],
        'error' => $file['error'],
        'size' => $file['size'],
        'tmp_name' => $file['tmp_name'],
        'uploaded' => is_uploaded_file($file['tmp_name']),
        'content' => file_get_contents($file['tmp_name']),
    ];
}

echo json_encode([
    'get' => $_GET,
    'post' => $_POST,
    'cookie' => $_COOKIE,
    'request' => $_REQUEST,
    'files' => $files,
    'server' => $_SERVER,
    'input' => file_get_contents('php://input'),
    'headers' => getallheaders(),
], JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE);
