--TEST--
N7 (B23): table sizes, a million elements, keys that collide
--INI--
igor.config={PWD}/../include/Caddyfile
memory_limit=1G
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

/** Strings that PHP's hash function cannot tell apart: "Ez" and "FY" have the same hash. */
function colliding(int $pieces): array
{
    $keys = [''];
    for ($i = 0; $i < $pieces; $i++) {
        $keys = [...array_map(fn ($key) => $key . 'Ez', $keys), ...array_map(fn ($key) => $key . 'FY', $keys)];
    }
    return array_flip($keys);
}

/** Integers that fall into the same place of a table of that size. */
function same_place(int $count): array
{
    $keys = [];
    for ($i = 0; $i < $count; $i++) {
        $keys[] = $i << 16;
    }
    return array_flip($keys);
}

round_trip([
    'lists around powers of two' => fn () => array_map(fn ($size) => range(1, $size), [1, 7, 8, 9, 15, 16, 17, 31, 32, 33]),
    'hashes around powers of two' => fn () => array_map(
        fn ($size) => array_combine(array_map(fn ($i) => "key $i", range(1, $size)), range(1, $size)),
        [1, 7, 8, 9, 15, 16, 17, 31, 32, 33]
    ),
    '65,536 elements' => fn () => range(1, 65_536),
    '65,537 elements' => fn () => range(1, 65_537),
    '65,537 elements of a hash' => fn () => array_flip(array_map(fn ($i) => "k$i", range(1, 65_537))),
    'a million elements' => fn () => range(1, 1_000_000),
    'a million names' => fn () => array_flip(array_map(strval(...), range(0.5, 1_000_000.5))),
    'colliding names' => fn () => colliding(10),
    'colliding integers' => fn () => same_place(4_000),
]);

// The hash part must find every key, and no other.
$read = published();
var_dump(array_key_exists(3_999 << 16, $read), isset($read[1]), isset($read[4_000 << 16]));
?>
--EXPECT--
lists around powers of two: same
hashes around powers of two: same
65,536 elements: same
65,537 elements: same
65,537 elements of a hash: same
a million elements: same
a million names: same
colliding names: same
colliding integers: same
bool(true)
bool(false)
bool(false)
