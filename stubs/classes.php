<?php

/**
 * The classes that Igor adds to PHP, for IDEs and static analysers. Nothing in here is ever run.
 *
 * A test compares the methods, their parameters, types and defaults with those of the program.
 */

namespace FrankenPHP;

/**
 * The handle of the running background worker: what it publishes, the tasks that it takes, and whether it is to end.
 */
final class WorkerHandle
{
    /**
     * @throws \RuntimeException outside of a background worker
     */
    public function __construct() {}

    /**
     * Consumes what the stream has announced. The first call of a run makes the worker ready. Never blocks.
     *
     * @return bool false once the script is to end
     *
     * @phpstan-impure
     */
    public function tick(): bool {}

    /**
     * The stream to wait on: readable when a task waits, and at its end when the script is to end. The same stream until the
     * script closes it, then a fresh one.
     *
     * @return resource
     *
     * @throws \RuntimeException the process has no descriptors left
     */
    public function getStream() {}

    /**
     * Publishes, as {@see \frankenphp_set_vars()} does.
     *
     * @param array<array-key, null|bool|int|float|string|\UnitEnum|array<array-key, mixed>> $vars
     *
     * @throws \ValueError $vars holds something that cannot be published
     *
     * @phpstan-impure
     */
    public function setVars(array $vars): void {}

    /**
     * Takes the oldest task that waits for this worker. Never blocks. In a pool another thread may be faster.
     *
     * @phpstan-impure
     */
    public function receive(): ?ReceivedTaskHandle {}
}

/**
 * A task that this script has sent. A task whose handle goes is abandoned.
 */
final class SentTaskHandle
{
    /**
     * Sends a task to a background worker, which is started if it does not run, and returns when one of its threads has
     * taken it.
     *
     * @param non-empty-string                                                               $worker
     * @param array<array-key, null|bool|int|float|string|\UnitEnum|array<array-key, mixed>> $payload
     * @param float|null                                                                     $timeout seconds; null: no end
     *
     * @throws \ValueError       an argument is not as said above
     * @throws \RuntimeException no thread has taken the task; the message says why
     */
    public function __construct(string $worker, array $payload, ?float $timeout = 30.0) {}

    /**
     * Waits for the next update and returns it; null when the task is complete and all updates have been read.
     *
     * @return array<array-key, mixed>|null
     *
     * @throws \RuntimeException the task was aborted or abandoned, or nothing came for `default_socket_timeout` seconds
     *
     * @phpstan-impure
     */
    public function read(): ?array {}

    /**
     * The stream to wait on: readable while there is an update, at its end when the task is over.
     *
     * @return resource
     *
     * @throws \RuntimeException the process has no descriptors left
     */
    public function getStream() {}

    /**
     * Gives the task up. The next update of the worker throws.
     *
     * @phpstan-impure
     */
    public function abandon(): void {}
}

/**
 * A task that this background worker has taken. A task whose handle goes before it is complete is aborted.
 */
final class ReceivedTaskHandle
{
    private function __construct() {}

    /**
     * What the sender has passed.
     *
     * @return array<array-key, mixed>
     */
    public function getPayload(): array {}

    /**
     * Sends an update. Waits while 16 are unread.
     *
     * @param array<array-key, null|bool|int|float|string|\UnitEnum|array<array-key, mixed>> $data
     *
     * @throws \ValueError       $data holds something that cannot be sent
     * @throws \RuntimeException the task is over, or its sender has abandoned it
     *
     * @phpstan-impure
     */
    public function update(array $data): void {}

    /**
     * Completes the task, with a last update if one is passed.
     *
     * @param array<array-key, null|bool|int|float|string|\UnitEnum|array<array-key, mixed>>|null $data
     *
     * @throws \ValueError       $data holds something that cannot be sent
     * @throws \RuntimeException there is $data, and the task is over
     *
     * @phpstan-impure
     */
    public function complete(?array $data = null): void {}

    /**
     * The stream to wait on: at its end when the sender has abandoned the task, or the task is over.
     *
     * @return resource
     *
     * @throws \RuntimeException the process has no descriptors left
     */
    public function getStream() {}
}
