<?php

declare(strict_types=1);

// Loads the package as Composer would: the functions at once, the classes when they are needed.

spl_autoload_register(static function (string $class): void {
    if (str_starts_with($class, 'Igor\\Polyfill\\')) {
        require dirname(__DIR__) . '/src/' . basename(strtr($class, '\\', '/')) . '.php';
    }
});

require dirname(__DIR__) . '/src/bootstrap.php';
