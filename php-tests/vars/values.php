<?php

// Values that every reader must get exactly as they were published. Included by the publisher and by the readers.

function exact_values(): array
{
    $emptied = [1, 2, 3];
    array_pop($emptied);
    array_pop($emptied);
    array_pop($emptied);
    $holes = [1, 2, 3, 4];
    unset($holes[1], $holes[3]);
    $referenced = [1, 2];
    foreach ($referenced as &$value) {
        $value++;
    }
    unset($value);
    $shared = ['shared' => str_repeat('s', 100)];
    $deep = 'ground';
    for ($level = 0; $level < 250; $level++) {
        $deep = [$deep];
    }
    return [
        'scalars' => [null, true, false, 0, -1, PHP_INT_MAX, PHP_INT_MIN],
        'floats' => [0.0, -0.0, 0.1, NAN, INF, -INF, 5e-324, PHP_FLOAT_MAX],
        'strings' => ['', 'a', "nul\0byte", "\xff\xfe invalid", 'ü', str_repeat('long', 100000)],
        'keys' => ['08' => 1, '-0' => 2, ' 1' => 3, '1.0' => 4, '' => 5, "k\0y" => 6, "\xff" => 7, 7 => 8, '9' => 9, -5 => 10],
        'emptied' => $emptied,
        'holes' => $holes,
        'negative' => [-3 => 'a'],
        'last' => [PHP_INT_MAX => 'a'],
        'referenced' => $referenced,
        'many' => range(1, 70000),
        'map' => array_fill_keys(array_map(static fn ($n) => "key $n", range(1, 1000)), $shared),
        'deep' => $deep,
        'empty' => [],
        'literal' => ['a' => [1, 2, ['b' => 'c']], 'd' => [true]],
    ];
}

/** What differs between two values, with all that `===` does not look at; null when nothing does. */
function difference(mixed $one, mixed $other, string $path = ''): ?string
{
    if (gettype($one) !== gettype($other)) {
        return "$path: " . gettype($one) . ' and ' . gettype($other);
    }
    if (is_float($one)) {
        return pack('d', $one) === pack('d', $other) ? null : "$path: " . var_export($one, true) . ' and ' . var_export($other, true);
    }
    if (!is_array($one)) {
        return $one === $other ? null : "$path: not identical";
    }
    if (array_keys($one) !== array_keys($other)) {
        return "$path: other keys, or another order";
    }
    foreach ($one as $key => $value) {
        $difference = difference($value, $other[$key], "{$path}[$key]");
        if ($difference !== null) {
            return $difference;
        }
    }
    return next_index($one) === next_index($other) ? null : "$path: another next index";
}

function next_index(array $array): int|string
{
    try {
        $array[] = null;
        return array_key_last($array);
    } catch (Error) {
        return 'none';
    }
}
