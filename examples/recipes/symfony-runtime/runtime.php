<?php

declare(strict_types=1);

// What Symfony's plugin for Composer writes as vendor/autoload_runtime.php. Here the classes are Debian's packages
// php-symfony-framework-bundle and php-symfony-runtime, older than this PHP.

use Symfony\Component\Runtime\SymfonyRuntime;

error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);
set_include_path('.:/usr/share/php');
require_once '/usr/share/php/Symfony/Component/Runtime/autoload.php';
require_once '/usr/share/php/Symfony/Bundle/FrameworkBundle/autoload.php';
require_once __DIR__ . '/src/Counter.php';
require_once __DIR__ . '/src/Kernel.php';
require_once __DIR__ . '/src/WorkerRuntime.php';
require_once __DIR__ . '/src/WorkerRunner.php';

// The front controller includes this file, and is included by it: this second time it returns its function.
$application = require $_SERVER['SCRIPT_FILENAME'];
$class = $_SERVER['APP_RUNTIME'] ?? SymfonyRuntime::class;
$runtime = new $class(['project_dir' => __DIR__, 'disable_dotenv' => true, 'error_handler' => false]);
[$application, $arguments] = $runtime->getResolver($application)->resolve();
exit($runtime->getRunner($application(...$arguments))->run());
