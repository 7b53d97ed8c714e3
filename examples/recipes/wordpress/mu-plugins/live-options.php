<?php

// Plugin Name: Live options
// Description: Options that a background worker publishes take the place of those in the database.

(static function (): void {
    // On another server, and in WordPress's own command line, the database's options count.
    if (!function_exists('frankenphp_get_vars')) {
        return;
    }
    try {
        frankenphp_require_background_worker('wordpress-options');
        $options = frankenphp_get_vars('wordpress-options')['options'];
    } catch (RuntimeException $exception) {
        error_log($exception->getMessage());
        return;
    }
    foreach ($options as $name => $value) {
        add_filter("pre_option_$name", static fn () => $value);
    }
})();
