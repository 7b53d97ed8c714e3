<?php

declare(strict_types=1);

namespace Training\Blog;

abstract class Model implements \ArrayAccess, \JsonSerializable
{
    /** @var array<string, mixed> */
    protected array $values = [];

    public function __construct(array $values = [])
    {
        foreach ($values as $name => $value) {
            $this->$name = $value;
        }
    }

    public function __get(string $name): mixed
    {
        $method = 'get' . ucfirst($name);

        return method_exists($this, $method) ? $this->$method() : $this->values[$name] ?? null;
    }

    public function __set(string $name, mixed $value): void
    {
        $this->values[$name] = is_string($value) ? trim($value) : $value;
    }

    public function __isset(string $name): bool
    {
        return isset($this->values[$name]);
    }

    public static function __callStatic(string $name, array $arguments): static
    {
        return new static([substr($name, 4) => $arguments[0]]);
    }

    public function offsetExists(mixed $offset): bool
    {
        return isset($this->$offset);
    }

    public function offsetGet(mixed $offset): mixed
    {
        return $this->$offset;
    }

    public function offsetSet(mixed $offset, mixed $value): void
    {
        $this->$offset = $value;
    }

    public function offsetUnset(mixed $offset): void
    {
        unset($this->values[$offset]);
    }

    public function jsonSerialize(): array
    {
        return $this->values;
    }
}
