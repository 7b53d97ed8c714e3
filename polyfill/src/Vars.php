<?php

declare(strict_types=1);

namespace Igor\Polyfill;

/**
 * What background workers would have published: from environment variables, or from a PHP file. The README says how.
 *
 * @internal
 */
final class Vars
{
    public const PREFIX = 'IGOR_VARS_';
    /** Not with the prefix above: a worker may well be called "file". */
    public const FILE = 'IGOR_POLYFILL_FILE';
    private const DEPTH_MAX = 256;

    /** @var array<string, array{string, array<array-key, mixed>}> variable => its text, and the text decoded */
    private static array $decoded = [];
    /** @var array<string, array<array-key, mixed>> path => what the file returned */
    private static array $files = [];

    /**
     * @return array<array-key, mixed>
     *
     * @throws \RuntimeException there are none for this name, or they cannot be used
     */
    public static function get(string $name): array
    {
        return self::fromVariable($name) ?? self::fromFile($name) ?? throw new \RuntimeException(
            "background worker \"$name\" has published nothing, for Igor is not running here: set the environment variable "
                . self::variable($name) . ' to a JSON object, or name the worker in the file of ' . self::FILE,
        );
    }

    /** The environment variable for a worker: "redis-master" is read from IGOR_VARS_REDIS_MASTER. */
    public static function variable(string $name): string
    {
        return self::PREFIX . preg_replace('/[^A-Z0-9]/', '_', strtoupper($name));
    }

    private static function fromVariable(string $name): ?array
    {
        $variable = self::variable($name);
        $text = self::environment($variable);
        if ($text === null) {
            return null;
        }
        if ((self::$decoded[$variable][0] ?? null) !== $text) {
            // The text may hold secrets, so no message quotes it. To JSON, what is in the deepest array is one level more.
            $vars = json_decode($text, true, self::DEPTH_MAX + 1);
            if (!is_array($vars)) {
                $problem = json_last_error() === JSON_ERROR_NONE ? 'it is a single value' : json_last_error_msg();
                throw new \RuntimeException("$variable must hold a JSON object: $problem");
            }
            self::$decoded[$variable] = [$text, $vars];
        }
        return self::$decoded[$variable][1];
    }

    private static function fromFile(string $name): ?array
    {
        $path = self::environment(self::FILE);
        if ($path === null) {
            return null;
        }
        self::$files[$path] ??= self::load($path);
        return self::$files[$path][$name] ?? null;
    }

    private static function load(string $path): array
    {
        // The file is run, so it has to be one of this machine, and the same one whatever the working directory.
        $is_absolute = preg_match('~^(/|[A-Za-z]:[/\\\\])~', $path) === 1;
        if (!$is_absolute || !is_file($path)) {
            throw new \RuntimeException(self::FILE . " must be the absolute path of a PHP file; \"$path\" is none");
        }
        $all = (static fn (): mixed => require func_get_arg(0))($path);
        if (!is_array($all)) {
            throw new \RuntimeException("$path must return an array of arrays, not " . get_debug_type($all));
        }
        foreach ($all as $name => $vars) {
            if (!is_array($vars)) {
                throw new \RuntimeException("$path: \"$name\" must be an array, not " . get_debug_type($vars));
            }
            self::check("$path: \"$name\"", $vars, self::DEPTH_MAX);
        }
        return $all;
    }

    /** Refuses what frankenphp_set_vars() refuses: code that works here must work on the server. */
    private static function check(string $place, array $vars, int $depth): void
    {
        if ($depth === 0) {
            throw new \RuntimeException("$place is nested deeper than " . self::DEPTH_MAX . ' levels');
        }
        foreach ($vars as $key => $value) {
            $here = $place . '[' . var_export($key, true) . ']';
            if (is_array($value)) {
                self::check($here, $value, $depth - 1);
            } elseif (!is_scalar($value) && $value !== null && !$value instanceof \UnitEnum) {
                throw new \RuntimeException("$here is " . get_debug_type($value)
                    . '; only null, bool, int, float, string, enum cases and arrays of these can be published');
            }
        }
    }

    /** Programs that read a .env file often fill the superglobals only. Nothing that a client sends gets such a name. */
    private static function environment(string $variable): ?string
    {
        foreach ([getenv($variable), $_SERVER[$variable] ?? null, $_ENV[$variable] ?? null] as $value) {
            if (is_string($value) && $value !== '') {
                return $value;
            }
        }
        return null;
    }
}
