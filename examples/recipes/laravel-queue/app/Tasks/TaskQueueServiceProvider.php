<?php

declare(strict_types=1);

namespace App\Tasks;

use Illuminate\Contracts\Queue\Queue;
use Illuminate\Queue\Connectors\ConnectorInterface;
use Illuminate\Support\ServiceProvider;

/** Connections of config/queue.php with the driver `tasks`. */
final class TaskQueueServiceProvider extends ServiceProvider implements ConnectorInterface
{
    public function boot(): void
    {
        $this->app['queue']->addConnector('tasks', fn (): ConnectorInterface => $this);
    }

    public function connect(array $config): Queue
    {
        return new TaskQueue($config['queue'], $config['store'], $config['patience'] ?? 0.1, $config['retry_after'] ?? 90.0);
    }
}
