<?php

declare(strict_types=1);

// Defines the functions of background workers where the server does not have them. Under Igor this file defines nothing.

use Igor\Polyfill\Arguments;
use Igor\Polyfill\Vars;

if (!function_exists('frankenphp_get_vars')) {
    /**
     * @param string|array<array-key, string> $name
     *
     * @return ($name is string ? array<array-key, mixed> : array<array-key, array<array-key, mixed>>)
     */
    function frankenphp_get_vars(string|array $name): array
    {
        Arguments::count(__FUNCTION__, func_num_args(), 1);
        if (is_string($name)) {
            return Vars::get($name);
        }
        $vars = [];
        foreach ($name as $one) {
            $vars[Arguments::string(__FUNCTION__, $one)] = Vars::get($one);
        }
        return $vars;
    }
}

if (!function_exists('frankenphp_require_background_worker')) {
    function frankenphp_require_background_worker(string $name, float $timeout = 30.0): void
    {
        Arguments::count(__FUNCTION__, func_num_args(), 2);
        Arguments::name(__FUNCTION__, $name);
        Arguments::timeout(__FUNCTION__, $timeout);
        Vars::get($name);
    }
}

if (!function_exists('frankenphp_ensure_background_worker')) {
    /** @param string|array<array-key, string> $name */
    function frankenphp_ensure_background_worker(string|array $name, ?float $timeout = null): void
    {
        Arguments::count(__FUNCTION__, func_num_args(), 2);
        $names = Arguments::names(__FUNCTION__, $name);
        Arguments::timeout(__FUNCTION__, $timeout ?? 30.0);
        array_map(Vars::get(...), $names);
    }
}

if (!function_exists('frankenphp_set_vars')) {
    /** @param array<array-key, mixed> $vars */
    function frankenphp_set_vars(array $vars): void
    {
        Arguments::count(__FUNCTION__, func_num_args(), 1);
        throw new RuntimeException('frankenphp_set_vars() can only be called in a background worker');
    }
}

if (!function_exists('frankenphp_get_worker_handle')) {
    /** @return resource */
    function frankenphp_get_worker_handle()
    {
        Arguments::count(__FUNCTION__, func_num_args(), 0);
        throw new RuntimeException('frankenphp_get_worker_handle() can only be called in a background worker');
    }
}
