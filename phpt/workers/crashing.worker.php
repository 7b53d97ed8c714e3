<?php
// Publishes and then fails, on every run.
try {
    $run = frankenphp_get_vars('crashing')['run'] + 1;
} catch (RuntimeException) {
    $run = 1;
}
frankenphp_set_vars(['run' => $run, 'list' => range(1, 1000)]);
match ($run % 4) {
    0 => throw new DomainException('crashed'),
    1 => exit(7),
    2 => no_such_function(),
    3 => str_repeat('x', PHP_INT_MAX >> 8),
};
