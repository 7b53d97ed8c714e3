<?php

declare(strict_types=1);

namespace Training\Blog;

#[\Attribute(\Attribute::TARGET_METHOD)]
final class Route
{
    public function __construct(public readonly string $path, public readonly string $method = 'GET')
    {
    }

    public function pattern(): string
    {
        return '#^' . preg_replace('/\\\\\{(\w+)\\\\\}/', '(?<$1>[^/]+)', preg_quote($this->path, '#')) . '$#';
    }
}
