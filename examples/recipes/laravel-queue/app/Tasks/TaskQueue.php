<?php

declare(strict_types=1);

namespace App\Tasks;

use FrankenPHP\SentTaskHandle;
use FrankenPHP\SharedArray;
use FrankenPHP\WorkerHandle;
use Illuminate\Contracts\Queue\Queue as QueueContract;
use Illuminate\Queue\Queue;

/**
 * A queue without a database: each job is a task for the background worker of the queue's name, which runs queue:work.
 *
 * A store keeps a job from the moment a worker takes it until it is done, so a worker that dies loses none. It also keeps those that
 * are delayed, and those that found every worker busy. It is memory: what it holds when the server stops is lost.
 */
final class TaskQueue extends Queue implements QueueContract
{
    private readonly SharedArray $kept;
    /** Where a worker gets its tasks; null for who only dispatches. */
    private ?WorkerHandle $handle = null;
    private float $nextLook = 0.0;

    /**
     * @param string $default    the queue of jobs that name none
     * @param string $store      the store, which the Caddyfile declares
     * @param float  $patience   how many seconds a page waits for a free worker before it leaves the job in the store
     * @param float  $retryAfter after how many seconds a job that is not done goes to another worker
     */
    public function __construct(
        private readonly string $default,
        string $store,
        private readonly float $patience,
        private readonly float $retryAfter,
    ) {
        $this->kept = new SharedArray($store);
    }

    public function push($job, $data = '', $queue = null)
    {
        $payload = $this->createPayload($job, $this->nameOf($queue), $data);

        return $this->enqueueUsing($job, $payload, $queue, null, fn ($payload, $queue) => $this->pushRaw($payload, $queue));
    }

    public function pushRaw($payload, $queue = null, array $options = [])
    {
        $job = $this->job($payload, $queue, microtime(true));
        // A worker that dispatches to its own queue would wait for itself.
        if ($this->handle !== null || !$this->hand($job)) {
            $this->kept[$job['id']] = $job;
        }

        return $job['id'];
    }

    public function later($delay, $job, $data = '', $queue = null)
    {
        $payload = $this->createPayload($job, $this->nameOf($queue), $data);

        return $this->enqueueUsing($job, $payload, $queue, $delay, function ($payload, $queue, $delay) {
            $job = $this->job($payload, $queue, (float) $this->availableAt($delay));
            $this->kept[$job['id']] = $job;

            return $job['id'];
        });
    }

    /** Those that the store keeps; tasks that wait for a worker are in the metrics of the server. */
    public function size($queue = null)
    {
        $prefix = $this->nameOf($queue) . ':';

        return count(array_filter($this->kept->keys(), static fn (int|string $id) => str_starts_with((string) $id, $prefix)));
    }

    public function pop($queue = null)
    {
        $queue = $this->nameOf($queue);
        $this->handle ??= new WorkerHandle();
        $job = $this->handle->tick() ? $this->take($queue) : null;
        if ($job === null) {
            // A signal ends the wait, and so does the server when it stops.
            [$readable, $none] = [[$this->handle->getStream()], null];
            @stream_select($readable, $none, $none, 1);
            $job = $this->handle->tick() ? $this->take($queue) : null;
        }

        return $job === null ? null : new TaskJob($this->container, $this, $job, $this->connectionName, $queue);
    }

    /** The job is done. */
    public function delete(array $job): void
    {
        unset($this->kept[$job['id']]);
    }

    /** The job is to be tried again after so many seconds. */
    public function release(array $job, int $delay): void
    {
        $this->kept[$job['id']] = ['due' => (float) $this->availableAt($delay)] + $job;
    }

    private function job(string $payload, ?string $queue, float $due): array
    {
        return ['id' => $this->nameOf($queue) . ':' . bin2hex(random_bytes(12)), 'due' => $due, 'attempts' => 0, 'payload' => $payload];
    }

    /** Returns false if every worker is busy. */
    private function hand(array $job): bool
    {
        try {
            $task = new SentTaskHandle(strstr($job['id'], ':', true), $job, $this->patience);
        } catch (\RuntimeException $error) {
            return str_contains($error->getMessage(), 'has not taken the task') ? false : throw $error;
        }
        // Null: the worker has put it into the store.
        $task->read();

        return true;
    }

    private function take(string $queue): ?array
    {
        $job = microtime(true) < $this->nextLook ? null : $this->due($queue);
        if ($job === null && null !== $task = $this->handle->receive()) {
            $job = $this->reserved($task->getPayload());
            $this->kept[$job['id']] = $job;
            $task->complete();
        }

        return $job;
    }

    /** A job of the store that is due, and that no other worker takes. */
    private function due(string $queue): ?array
    {
        $now = microtime(true);
        foreach ($this->kept->snapshot() as $id => $job) {
            $reserved = $this->reserved($job);
            if ($job['due'] <= $now && str_starts_with($id, "$queue:") && $this->kept->cas($id, $job, $reserved)) {
                return $reserved;
            }
        }
        $this->nextLook = $now + 1.0;

        return null;
    }

    private function reserved(array $job): array
    {
        return ['due' => microtime(true) + $this->retryAfter, 'attempts' => $job['attempts'] + 1] + $job;
    }

    private function nameOf(?string $queue): string
    {
        return $queue ?? $this->default;
    }
}
