<?php

// What a framework does for each request: classes are loaded by their names, services are made by reflection, a request goes through
// middleware to a controller, listeners hear of it, and JSON is the answer. Each class is in a file of its own.
declare(strict_types=1);

use Training\Blog\Kernel;
use Training\Blog\Request;

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Training\\')) {
        require __DIR__ . '/' . str_replace('\\', '/', substr($class, strlen('Training\\'))) . '.php';
    }
});

$kernel = new Kernel();
$output = '';
foreach ([
    ['GET', '/posts', ''],
    ['GET', '/posts/12', ''],
    ['POST', '/posts', '{"title":"A new \u00fcber post","tags":["a","b",3],"meta":{"draft":false,"score":1.5e2,"parent":null}}'],
    ['POST', '/posts', '{"title":'],
    ['GET', '/posts/12/comments/3', ''],
    ['GET', '/tags/php', ''],
    ['DELETE', '/nothing', ''],
] as [$method, $path, $body]) {
    $response = $kernel->handle(new Request($method, $path, $body, ['accept' => 'application/json', 'x-name' => $_GET['name'] ?? '']));
    header('X-Last-Status: ' . $response->status);
    $output .= $response->status . ' ' . implode(',', array_keys($response->headers)) . " $response->body\n";
}
echo $output;
