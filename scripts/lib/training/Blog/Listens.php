<?php

declare(strict_types=1);

namespace Training\Blog;

trait Listens
{
    /** @var array<string, array<int, list<callable>>> */
    private array $listeners = [];

    public function listen(string $event, callable $listener, int $priority = 0): void
    {
        $this->listeners[$event][$priority][] = $listener;
    }

    protected function tell(string $event, mixed ...$arguments): void
    {
        $all = $this->listeners[$event] ?? [];
        krsort($all);
        foreach ($all as $listeners) {
            foreach ($listeners as $listener) {
                $listener(...$arguments);
            }
        }
    }
}
