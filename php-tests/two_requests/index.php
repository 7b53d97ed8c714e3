<?php

// Uses the names of the snapshot (`?from=snapshot`) or the same ones as they are written down (`?from=source`), and
// answers with what it saw and on which thread of the system.

require_once __DIR__ . '/uses.php';

function answer_request(): void
{
    if ($_GET['from'] === 'snapshot') {
        $vars = frankenphp_get_vars('names');
        ['names' => $names, 'generation' => $generation] = $vars;
    } else {
        require_once __DIR__ . '/names.php';
        [$names, $generation] = [names(getenv('DIR')), null];
    }
    $seen = use_names($names);
    echo json_encode(['thread' => basename(readlink('/proc/thread-self')), 'generation' => $generation, 'seen' => $seen], JSON_THROW_ON_ERROR);
}

if (!isset($_SERVER['FRANKENPHP_WORKER'])) {
    answer_request();
}
