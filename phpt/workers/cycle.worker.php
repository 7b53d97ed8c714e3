<?php
// Waits for the next worker in the cycle. The first worker that gets the error publishes it, so that the others become
// ready.
$name = $_SERVER['FRANKENPHP_WORKER_NAME'];
$next = ['a' => 'b', 'b' => 'c', 'c' => 'a', 'itself' => 'itself', 'free' => 'a'][$name];
try {
    frankenphp_require_background_worker($next, 20);
    frankenphp_set_vars(['told' => null]);
} catch (RuntimeException $error) {
    frankenphp_set_vars(['told' => $error->getMessage()]);
}
fgets(frankenphp_get_worker_handle());
