<?php

declare(strict_types=1);

use App\WriteNote;
use Illuminate\Contracts\Console\Kernel;

(require __DIR__ . '/../bootstrap/app.php')->make(Kernel::class)->bootstrap();
dispatch(new WriteNote($_GET['text'] ?? 'hello', (int) ($_GET['milliseconds'] ?? 0)));
echo "sent\n";
