<?php

declare(strict_types=1);

use App\Kernel;

// The front controller as Symfony writes it. With Composer this is vendor/autoload_runtime.php.
require_once dirname(__DIR__) . '/runtime.php';

return static fn (array $context): Kernel => new Kernel($context['APP_ENV'] ?? 'prod', (bool) ($context['APP_DEBUG'] ?? false));
