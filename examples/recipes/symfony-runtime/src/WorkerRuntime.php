<?php

declare(strict_types=1);

namespace App;

use Symfony\Component\HttpKernel\HttpKernelInterface;
use Symfony\Component\Runtime\RunnerInterface;
use Symfony\Component\Runtime\SymfonyRuntime;

/** Symfony's runtime, whose kernel takes many requests where the script is a worker. `APP_RUNTIME` names this class. */
final class WorkerRuntime extends SymfonyRuntime
{
    public function getRunner(?object $application): RunnerInterface
    {
        return $application instanceof HttpKernelInterface && isset($_SERVER['FRANKENPHP_WORKER'])
            ? new WorkerRunner($application)
            : parent::getRunner($application);
    }
}
