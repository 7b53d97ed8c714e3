<?php

/**
 * The classes that Igor registers. classes_arginfo.h is the same for the engine, stubs/classes.php for people and their
 * tools; tests compare all of them.
 */

namespace FrankenPHP;

final class WorkerHandle
{
    public function __construct() {}

    public function tick(): bool {}

    /** @return resource */
    public function getStream() {}

    public function setVars(array $vars): void {}

    public function receive(): ?ReceivedTaskHandle {}
}

final class SentTaskHandle
{
    public function __construct(string $worker, array $payload, ?float $timeout = 30.0) {}

    public function read(): ?array {}

    /** @return resource */
    public function getStream() {}

    public function abandon(): void {}
}

final class ReceivedTaskHandle
{
    private function __construct() {}

    public function getPayload(): array {}

    public function update(array $data): void {}

    public function complete(?array $data = null): void {}

    /** @return resource */
    public function getStream() {}
}

final class SharedArray implements \ArrayAccess, \Countable, \IteratorAggregate
{
    public function __construct(string $name = 'default') {}

    public function get(string|int $key, mixed $default = null): mixed {}

    public function set(string|int $key, mixed $value, ?float $ttl = null): void {}

    public function add(string|int $key, mixed $value, ?float $ttl = null): bool {}

    public function cas(string|int $key, mixed $expected, mixed $value, ?float $ttl = null): bool {}

    public function pull(string|int $key, mixed $default = null): mixed {}

    public function delete(string|int $key): bool {}

    public function increment(string|int $key, int|float $by = 1, ?float $ttl = null): int|float {}

    public function decrement(string|int $key, int|float $by = 1, ?float $ttl = null): int|float {}

    public function compute(string|int $key, callable $callback, ?float $ttl = null): mixed {}

    public function merge(array $values): void {}

    public function replace(array $values): void {}

    public function clear(): void {}

    public function keys(): array {}

    public function snapshot(): array {}

    public function version(): int {}

    public function count(): int {}

    public function getIterator(): \Iterator {}

    /** @return resource */
    public function watch() {}

    public function offsetExists(mixed $offset): bool {}

    public function offsetGet(mixed $offset): mixed {}

    public function offsetSet(mixed $offset, mixed $value): void {}

    public function offsetUnset(mixed $offset): void {}
}
