<?php

declare(strict_types=1);

use App\WriteNote;
use Illuminate\Contracts\Console\Kernel;

(require __DIR__ . '/../bootstrap/app.php')->make(Kernel::class)->bootstrap();
$note = new WriteNote(
    $_GET['text'] ?? 'hello',
    (int) ($_GET['milliseconds'] ?? 0),
    (int) ($_GET['throws'] ?? 0),
    (int) ($_GET['dies'] ?? 0),
);
dispatch($note)->delay((int) ($_GET['delay'] ?? 0) ?: null);
echo "sent\n";
