<?php

return [
    'default' => 'single',
    'deprecations' => 'none',
    'channels' => [
        'single' => ['driver' => 'single', 'path' => storage_path('laravel.log')],
        'none' => ['driver' => 'monolog', 'handler' => Monolog\Handler\NullHandler::class],
    ],
];
