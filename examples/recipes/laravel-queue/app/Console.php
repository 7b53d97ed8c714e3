<?php

declare(strict_types=1);

namespace App;

use Illuminate\Console\Scheduling\Schedule;
use Illuminate\Foundation\Console\Kernel;

final class Console extends Kernel
{
    protected function schedule(Schedule $schedule): void
    {
        $schedule->call(static fn () => file_put_contents(storage_path('notes.txt'), "scheduled\n", FILE_APPEND))->everyMinute();
    }
}
