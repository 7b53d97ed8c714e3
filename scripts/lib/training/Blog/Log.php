<?php

declare(strict_types=1);

namespace Training\Blog;

final class Log
{
    private array $lines = [];

    public function add(string $message, array $context = []): void
    {
        $replaced = [];
        foreach ($context as $name => $value) {
            $replaced['{' . $name . '}'] = is_scalar($value) ? (string) $value : get_debug_type($value);
        }
        $this->lines[] = sprintf('[%s] %s', gmdate('H:i', 3600 * count($this->lines)), strtr($message, $replaced));
    }

    public function lines(): array
    {
        return $this->lines;
    }
}
