<?php
// Loads Symfony's classes from the source whose tests run, and all others from Debian's packages.

error_reporting(E_ALL & ~E_DEPRECATED & ~E_USER_DEPRECATED);

spl_autoload_register(static function (string $class): void {
    $source = getenv('SYMFONY_SOURCE') . '/src/' . strtr($class, '\\', '/') . '.php';
    $package = '/usr/share/php/' . strtr($class, '\\', '/') . '.php';
    foreach ([$source, $package] as $file) {
        if (is_file($file)) {
            require_once $file;
            return;
        }
    }
});
require_once getenv('SYMFONY_SOURCE') . '/src/Symfony/Component/String/Resources/functions.php';
require_once getenv('SYMFONY_SOURCE') . '/src/Symfony/Contracts/Deprecation/function.php';

// PHPUnit 9.6 turns its own deprecations into errors if it loads these classes while it reads a child's result.
foreach (['Exception', 'AssertionFailedError', 'SkippedTestError', 'IncompleteTestError', 'ExpectationFailedException', 'Warning'] as $class) {
    class_exists("PHPUnit\\Framework\\$class");
}
