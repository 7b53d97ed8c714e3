--TEST--
N3, N4 (B23): holes, emptied lists, every kind of key, and the next free index
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

/** The list after the keys were unset. */
function without(array $list, int|string ...$keys): array
{
    foreach ($keys as $key) {
        unset($list[$key]);
    }
    return $list;
}

round_trip([
    'a hole' => fn () => without([1, 2, 3, 4], 1),
    'a hole at the start' => fn () => without([1, 2, 3], 0),
    'a hole at the end' => fn () => without([1, 2, 3], 2),
    'emptied' => fn () => without([1, 2, 3], 0, 1, 2),
    'emptied hash' => fn () => without(['a' => 1, 7 => 2], 'a', 7),
    'hash with holes' => fn () => without(['a' => 1, 'b' => 2, 'c' => 3, 5 => 4], 'b'),
    'nested holes' => fn () => ['x' => without([1, 2, 3], 1), 'y' => without(range(0, 20), 3, 20), without(['q'], 0)],
    'shift and pop' => function () {
        $list = range(1, 10);
        array_shift($list);
        array_pop($list);
        return $list;
    },
    'out of order' => fn () => [3 => 'c', 1 => 'a', 2 => 'b'],
    'negative key' => fn () => [-5 => 'minus'],
    'negative key, assigned' => function () {
        $list = [];
        $list[-5] = 'minus';
        return ['nested' => $list] + $list;
    },
    'negative key, nested' => fn () => [[-5 => 'minus'], [-1 => 0], [PHP_INT_MIN => 1]],
    'negative key removed' => fn () => without([-5 => 1, -3 => 2], -3),
    'largest key' => fn () => [PHP_INT_MAX => 'last'],
    'largest key removed' => fn () => without([PHP_INT_MAX => 'last', 'x' => 1], PHP_INT_MAX),
    'nearly largest key' => fn () => [PHP_INT_MAX - 1 => 'last'],
    'smallest key' => fn () => [PHP_INT_MIN => 'first', PHP_INT_MAX => 'last'],
    'large gap' => fn () => [0 => 'a', 1_000_000_000 => 'b'],
    'nearly integers' => fn () => ['08' => 1, '-0' => 2, ' 1' => 3, '1.0' => 4, '1 ' => 5, '+1' => 6, '00' => 7, '-' => 8],
    'integers as text' => fn () => ['8' => 1, '-7' => 2, '9223372036854775807' => 3, '9223372036854775808' => 4,
        '-9223372036854775808' => 5],
    'other types as keys' => fn () => [true => 'true', null => 'null', 2.0 => 'float'],
    'empty key' => fn () => ['' => 'empty'],
    'key with NUL' => fn () => ["\0" => 1, "a\0b" => 2, "a\0c" => 3, "\0*\0name" => 4],
    'key of 1 MiB' => fn () => [str_repeat('k', 1 << 20) => 1, str_repeat('k', (1 << 20) + 1) => 2],
    'key of invalid UTF-8' => fn () => ["\xff\xfe" => 1, "\xc3(" => ["\x80" => 2]],
    'keys of one byte' => fn () => array_combine(array_map(chr(...), range(0, 255)), range(0, 255)),
    'index and name' => fn () => ['a', 'b' => 'B', 'c', '7' => 'seven', 'd'],
]);
?>
--EXPECT--
a hole: same
a hole at the start: same
a hole at the end: same
emptied: same
emptied hash: same
hash with holes: same
nested holes: same
shift and pop: same
out of order: same
negative key: same
negative key, assigned: same
negative key, nested: same
negative key removed: same
largest key: same
largest key removed: same
nearly largest key: same
smallest key: same
large gap: same
nearly integers: same
integers as text: same
other types as keys: same
empty key: same
key with NUL: same
key of 1 MiB: same
key of invalid UTF-8: same
keys of one byte: same
index and name: same
