<?php

// CodeIgniter is booted once; each request has services of its own, as in the worker mode of later releases.

use CodeIgniter\Exceptions\PageNotFoundException;
use Config\Services;

define('FCPATH', __DIR__ . DIRECTORY_SEPARATOR);
chdir(__DIR__);
require __DIR__ . '/../app/Config/Paths.php';
$paths = new Config\Paths();
require $paths->systemDirectory . '/bootstrap.php';

file_put_contents(WRITEPATH . 'boots', (is_cli() ? 'command line' : 'web') . "\n", FILE_APPEND | LOCK_EX);
$requests = 0;

$answer = static function () use (&$requests): void {
    header('Requests: ' . ++$requests);
    Services::reset(true);
    try {
        Services::codeigniter()->run();
    } catch (Throwable $error) {
        // The framework's handler ends the script with exit(), and so would the worker.
        $missing = $error instanceof PageNotFoundException;
        http_response_code($missing ? 404 : 500);
        echo view('errors/html/' . ($missing ? 'error_404' : 'production'), ['message' => '']);
    }
};
while (frankenphp_handle_request($answer)) {
}
