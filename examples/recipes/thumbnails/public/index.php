<?php

declare(strict_types=1);

// A form, and what it sends: the answer is a stream of events, one after each thumbnail.

if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    readfile(__DIR__ . '/../form.html');
    return;
}
$upload = $_FILES['image'] ?? null;
if (!is_array($upload) || $upload['error'] !== UPLOAD_ERR_OK || !is_uploaded_file($upload['tmp_name'])) {
    http_response_code(400);
    echo "the field `image` holds no file\n";
    return;
}
header('Content-Type: text/event-stream');
header('Cache-Control: no-store');
try {
    // PHP removes the file when the request ends, and the request ends after the task.
    $task = new FrankenPHP\SentTaskHandle('thumbnails', [
        'file' => $upload['tmp_name'],
        'id' => bin2hex(random_bytes(8)),
        'sizes' => [64, 256, 1024],
    ]);
    while (null !== $update = $task->read()) {
        echo 'data: ', json_encode($update, JSON_UNESCAPED_SLASHES), "\n\n";
        flush();
    }
} catch (RuntimeException $error) {
    frankenphp_log("thumbnails: {$error->getMessage()}", 3);
    echo "data: {\"error\":\"the thumbnails could not be made\"}\n\n";
}
