<?php

// Makes the queue's table, as the migration does that `artisan queue:table` writes.
(new PDO('sqlite:' . __DIR__ . '/notes.sqlite'))->exec(
    'CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, payload TEXT NOT NULL,
        attempts INTEGER NOT NULL, reserved_at INTEGER, available_at INTEGER NOT NULL, created_at INTEGER NOT NULL)',
);
