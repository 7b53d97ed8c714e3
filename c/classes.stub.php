<?php

/**
 * The classes that Igor registers. classes_arginfo.h says the same to the engine, and stubs/classes.php to people and their
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
