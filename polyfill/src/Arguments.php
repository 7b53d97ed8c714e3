<?php

declare(strict_types=1);

namespace Igor\Polyfill;

/**
 * Checks arguments as Igor does, so that a mistake shows in development and not first on the server.
 *
 * @internal
 */
final class Arguments
{
    /** PHP lets functions of its own be called with too many arguments only when these are written in PHP. */
    public static function count(string $function, int $given, int $most): void
    {
        if ($given > $most) {
            $expected = match ($function) {
                'frankenphp_require_background_worker', 'frankenphp_ensure_background_worker' => 'at most',
                default => 'exactly',
            };
            $plural = $most === 1 ? '' : 's';
            throw new \ArgumentCountError("$function() expects $expected $most argument$plural, $given given");
        }
    }

    public static function string(string $function, mixed $value): string
    {
        if (!is_string($value)) {
            $type = get_debug_type($value);
            throw new \TypeError("$function(): Argument #1 (\$name) must be a string or an array of strings, array with a "
                . "value of type $type given");
        }
        return $value;
    }

    public static function name(string $function, string $name): void
    {
        if ($name === '') {
            throw new \ValueError("$function(): Argument #1 (\$name) must not be empty");
        }
        if (str_contains($name, "\0")) {
            throw new \ValueError("$function(): Argument #1 (\$name) must not contain any null bytes");
        }
    }

    /**
     * @param string|array<array-key, mixed> $names
     *
     * @return list<string>
     */
    public static function names(string $function, string|array $names): array
    {
        if ($names === []) {
            throw new \ValueError("$function(): Argument #1 (\$name) must not be an empty array");
        }
        $seen = [];
        foreach ((array) $names as $name) {
            self::name($function, self::string($function, $name));
            if (in_array($name, $seen, true)) {
                throw new \ValueError("$function(): Argument #1 (\$name) must not name a background worker twice (\"$name\")");
            }
            $seen[] = $name;
        }
        return $seen;
    }

    public static function timeout(string $function, float $timeout): void
    {
        if (!is_finite($timeout) || $timeout <= 0.0) {
            throw new \ValueError(
                "$function(): Argument #2 (\$timeout) must be a finite number of seconds greater than 0",
            );
        }
    }
}
