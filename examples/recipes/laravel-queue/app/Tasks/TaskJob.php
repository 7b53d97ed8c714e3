<?php

declare(strict_types=1);

namespace App\Tasks;

use Illuminate\Container\Container;
use Illuminate\Contracts\Queue\Job as JobContract;
use Illuminate\Queue\Jobs\Job;

/** A job that a worker has taken from a TaskQueue. */
final class TaskJob extends Job implements JobContract
{
    public function __construct(Container $container, private readonly TaskQueue $tasks, private readonly array $job, string $connectionName, string $queue)
    {
        $this->container = $container;
        $this->connectionName = $connectionName;
        $this->queue = $queue;
    }

    public function release($delay = 0)
    {
        parent::release($delay);
        $this->tasks->release($this->job, $delay);
    }

    public function delete()
    {
        parent::delete();
        $this->tasks->delete($this->job);
    }

    public function attempts()
    {
        return $this->job['attempts'];
    }

    public function getJobId()
    {
        return $this->job['id'];
    }

    public function getRawBody()
    {
        return $this->job['payload'];
    }
}
