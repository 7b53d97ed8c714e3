<?php

declare(strict_types=1);

namespace Training\Blog;

final class Request
{
    private array $attributes = [];

    public function __construct(
        public readonly string $method,
        public readonly string $path,
        private readonly string $body = '',
        private readonly array $headers = [],
    ) {
    }

    public function header(string $name, string $default = ''): string
    {
        return $this->headers[strtolower($name)] ?? $default;
    }

    public function json(): array
    {
        return $this->body === '' ? [] : json_decode($this->body, true, 32, JSON_THROW_ON_ERROR);
    }

    public function with(string $name, mixed $value): self
    {
        $copy = clone $this;
        $copy->attributes[$name] = $value;

        return $copy;
    }

    public function get(string $name): mixed
    {
        return $this->attributes[$name] ?? null;
    }
}
