--TEST--
B14: arguments under strict_types, by name, and by reference
--FILE--
<?php
declare(strict_types=1);

function attempt(Closure $call): void
{
    try {
        $call();
        echo "no error\n";
    } catch (Throwable $error) {
        echo $error::class, ': ', $error->getMessage(), "\n";
    }
}

attempt(fn () => frankenphp_require_background_worker(5));
attempt(fn () => frankenphp_require_background_worker('a', '5'));
attempt(fn () => frankenphp_ensure_background_worker(1.5));
attempt(fn () => frankenphp_get_vars(7));
attempt(fn () => headers_send('103'));
attempt(fn () => frankenphp_require_background_worker(timeout: -1.0, name: 'a'));
attempt(fn () => frankenphp_ensure_background_worker(name: ['b', ''], timeout: null));
attempt(fn () => frankenphp_get_vars(names: 'a'));
attempt(function () {
    $names = ['a', 'a'];
    foreach ($names as &$name) {
    }
    frankenphp_ensure_background_worker($names);
});
?>
--EXPECT--
x
