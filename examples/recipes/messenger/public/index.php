<?php

declare(strict_types=1);

require_once __DIR__ . '/../src/messages.php';

message_bus()->dispatch(new Note(
    $_GET['text'] ?? 'hello',
    (int) ($_GET['milliseconds'] ?? 0),
    (int) ($_GET['throws'] ?? 0),
    (int) ($_GET['dies'] ?? 0),
));
echo "sent\n";
