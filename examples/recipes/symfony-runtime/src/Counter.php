<?php

declare(strict_types=1);

namespace App;

use Symfony\Contracts\Service\ResetInterface;

/** A service with state: Symfony resets it between two requests of one kernel. */
final class Counter implements ResetInterface
{
    private int $count = 0;

    public function next(): int
    {
        return ++$this->count;
    }

    public function reset(): void
    {
        $this->count = 0;
    }
}
