<?php

declare(strict_types=1);

// With Composer this is vendor/autoload.php; here these are Debian's packages, older than this PHP.
error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
set_include_path('.:/usr/share/php');
require_once '/usr/share/php/Illuminate/autoload.php';
foreach (['TaskQueue', 'TaskJob', 'TaskQueueServiceProvider'] as $class) {
    require_once __DIR__ . "/../app/Tasks/$class.php";
}
require_once __DIR__ . '/../app/WriteNote.php';
require_once __DIR__ . '/../app/Console.php';

$app = new Illuminate\Foundation\Application(dirname(__DIR__));
$app->singleton(Illuminate\Contracts\Console\Kernel::class, App\Console::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, Illuminate\Foundation\Exceptions\Handler::class);
return $app;
