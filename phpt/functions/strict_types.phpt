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
TypeError: frankenphp_require_background_worker(): Argument #1 ($name) must be of type string, int given
TypeError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be of type float, string given
TypeError: frankenphp_ensure_background_worker(): Argument #1 ($name) must be of type array|string, float given
TypeError: frankenphp_get_vars(): Argument #1 ($name) must be of type array|string, int given
TypeError: headers_send(): Argument #1 ($status) must be of type int, string given
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not be empty
Error: Unknown named parameter $names
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not name a background worker twice ("a")
