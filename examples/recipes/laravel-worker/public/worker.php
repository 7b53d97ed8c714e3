<?php

declare(strict_types=1);

// One application for many requests, in the manner of Laravel Octane: it is booted once, and each request is answered by a copy.
// With Octane itself the worker is the file public/frankenphp-worker.php that `php artisan octane:install` writes.

use Illuminate\Container\Container;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Facade;

// Constants of PHP's command line, which some libraries write to.
defined('STDERR') || define('STDERR', fopen('php://stderr', 'w'));
// A client that goes away must not end the script that others wait for.
ignore_user_abort(true);

$booted = require __DIR__ . '/../bootstrap/app.php';
// As if for a request, since providers ask for one.
$booted->instance('request', Request::create('/'));
$booted->make(Kernel::class)->bootstrap();

$answer = static function () use ($booted): void {
    $application = clone $booted;
    foreach (['app', Container::class] as $name) {
        $application->instance($name, $application);
    }
    Container::setInstance($application);
    Facade::clearResolvedInstances();
    Facade::setFacadeApplication($application);
    $application->make('router')->setContainer($application);
    $kernel = $application->make(Kernel::class)->setApplication($application);

    $response = $kernel->handle($request = Request::capture());
    $response->send();
    $kernel->terminate($request, $response);
    $application->flush();
};

$requests = (int) ($_SERVER['MAX_REQUESTS'] ?? 500);
while ($requests-- > 0 && frankenphp_handle_request($answer)) {
}
