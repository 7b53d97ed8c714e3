<?php

return [
    'default' => $_SERVER['QUEUE_CONNECTION'] ?? 'database',
    'connections' => [
        'database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90],
        // The queue is the name of the background worker.
        'tasks' => ['driver' => 'tasks', 'queue' => 'queue', 'store' => 'jobs', 'retry_after' => (float) ($_SERVER['QUEUE_RETRY_AFTER'] ?? 90)],
    ],
    'failed' => ['driver' => 'null'],
];
