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

/**
 * A store: a map that all scripts of the process share. Its name is declared in the Caddyfile. What it holds may be what can be
 * published, and each value is replaced as a whole.
 *
 * @implements \ArrayAccess<array-key, mixed>
 * @implements \IteratorAggregate<array-key, mixed>
 */
final class SharedArray implements \ArrayAccess, \Countable, \IteratorAggregate
{
    /**
     * @throws \RuntimeException no store of this name is declared
     */
    public function __construct(string $name = 'default') {}

    /**
     * The value of a key, or $default when it is not there.
     *
     * @phpstan-impure
     */
    public function get(string|int $key, mixed $default = null): mixed {}

    /**
     * Stores a value, for $ttl seconds or for ever.
     *
     * @throws \ValueError       $value holds something that cannot be stored
     * @throws \RuntimeException the store is full
     *
     * @phpstan-impure
     */
    public function set(string|int $key, mixed $value, ?float $ttl = null): void {}

    /**
     * The same if the key is not there.
     *
     * @return bool false when it was there
     *
     * @throws \ValueError       $value holds something that cannot be stored
     * @throws \RuntimeException the store is full
     *
     * @phpstan-impure
     */
    public function add(string|int $key, mixed $value, ?float $ttl = null): bool {}

    /**
     * Replaces the value when it is identical to $expected. Without $ttl the element keeps its time.
     *
     * @return bool false when it was not
     *
     * @throws \ValueError       $value holds something that cannot be stored
     * @throws \RuntimeException the store is full
     *
     * @phpstan-impure
     */
    public function cas(string|int $key, mixed $expected, mixed $value, ?float $ttl = null): bool {}

    /**
     * Removes an element and returns its value, or $default when it was not there.
     *
     * @phpstan-impure
     */
    public function pull(string|int $key, mixed $default = null): mixed {}

    /**
     * Removes an element.
     *
     * @return bool false when it was not there
     *
     * @phpstan-impure
     */
    public function delete(string|int $key): bool {}

    /**
     * Adds to a number, in one step. What is not there counts as 0 and lives for $ttl seconds; what is there keeps its time.
     *
     * @throws \ValueError       $by is not finite
     * @throws \RuntimeException the value is no number, the sum does not fit, or the store is full
     *
     * @phpstan-impure
     */
    public function increment(string|int $key, int|float $by = 1, ?float $ttl = null): int|float {}

    /**
     * Subtracts, as {@see self::increment()} adds.
     *
     * @throws \ValueError       $by is not finite
     * @throws \RuntimeException the value is no number, the difference does not fit, or the store is full
     *
     * @phpstan-impure
     */
    public function decrement(string|int $key, int|float $by = 1, ?float $ttl = null): int|float {}

    /**
     * The value of a key. When it is not there, one thread calls back and stores the result; the others wait for it, or get
     * the value that has expired within the last $ttl seconds.
     *
     * @param callable(): mixed $callback
     *
     * @throws \ValueError       the result holds something that cannot be stored
     * @throws \RuntimeException the store is full, or the computation would wait for itself
     *
     * @phpstan-impure
     */
    public function compute(string|int $key, callable $callback, ?float $ttl = null): mixed {}

    /**
     * Stores all elements of an array. Each by itself: others may see some of them before the rest.
     *
     * @param array<array-key, null|bool|int|float|string|\UnitEnum|array<array-key, mixed>> $values
     *
     * @throws \ValueError       $values holds something that cannot be stored; nothing was
     * @throws \RuntimeException the store is full
     *
     * @phpstan-impure
     */
    public function merge(array $values): void {}

    /**
     * The same, and removes what is not in the array.
     *
     * @param array<array-key, null|bool|int|float|string|\UnitEnum|array<array-key, mixed>> $values
     *
     * @throws \ValueError       $values holds something that cannot be stored; nothing was
     * @throws \RuntimeException the store is full
     *
     * @phpstan-impure
     */
    public function replace(array $values): void {}

    /**
     * Removes everything.
     *
     * @phpstan-impure
     */
    public function clear(): void {}

    /**
     * All keys, in no order.
     *
     * @return list<array-key>
     *
     * @phpstan-impure
     */
    public function keys(): array {}

    /**
     * All elements, in no order.
     *
     * @return array<array-key, mixed>
     *
     * @phpstan-impure
     */
    public function snapshot(): array {}

    /**
     * How many changes there were.
     *
     * @phpstan-impure
     */
    public function version(): int {}

    /**
     * @phpstan-impure
     */
    public function count(): int {}

    /**
     * Over what {@see self::snapshot()} returns.
     *
     * @return \Iterator<array-key, mixed>
     */
    public function getIterator(): \Iterator {}

    /**
     * A stream that becomes readable with each change: read what is in it, and look. The same stream until the script closes
     * it, then a fresh one.
     *
     * @return resource
     *
     * @throws \RuntimeException the process has no descriptors left, or too many streams watch
     */
    public function watch() {}

    public function offsetExists(mixed $offset): bool {}

    public function offsetGet(mixed $offset): mixed {}

    public function offsetSet(mixed $offset, mixed $value): void {}

    public function offsetUnset(mixed $offset): void {}
}
