<?php

declare(strict_types=1);

namespace App;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;

/** A job that takes its time and writes a line, and fails the first times if it should. */
final class WriteNote implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    public int $tries = 3;

    public function __construct(
        private string $text,
        private int $milliseconds = 0,
        private int $throws = 0,
        private int $dies = 0,
    ) {
    }

    public function handle(): void
    {
        file_put_contents(storage_path('notes.txt'), "taken: $this->text\n", FILE_APPEND);
        $times = substr_count(file_get_contents(storage_path('notes.txt')), "taken: $this->text\n");
        $times > $this->throws || throw new \RuntimeException("note \"$this->text\" fails for the $times. time");
        $times > $this->dies || exit(1);
        $until = hrtime(true) + $this->milliseconds * 1_000_000;
        while (hrtime(true) < $until) {
            usleep(10_000);
        }
        file_put_contents(storage_path('notes.txt'), "$this->text\n", FILE_APPEND);
    }
}
