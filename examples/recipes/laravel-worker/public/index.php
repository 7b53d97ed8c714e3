<?php

declare(strict_types=1);

// For servers without workers: an application for each request.

use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;

$kernel = (require __DIR__ . '/../bootstrap/app.php')->make(Kernel::class);
$response = $kernel->handle($request = Request::capture());
$response->send();
$kernel->terminate($request, $response);
