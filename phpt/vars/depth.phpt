--TEST--
N1 (B23): 256 levels are the same
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

function nested(int $levels, array $inner): array
{
    for ($level = 1; $level < $levels; $level++) {
        $inner = $level % 2 ? [$inner] : ['key' => $inner];
    }
    return $inner;
}

round_trip([
    'one level, empty' => fn () => [],
    'one level' => fn () => [1],
    '256 levels, empty' => fn () => nested(256, []),
    '256 levels' => fn () => nested(256, ['a', 'b' => 1.5]),
    '256 levels beside flat values' => fn () => ['flat' => 1, 'deep' => nested(255, [null]), 'last' => 'x'],
]);
?>
--EXPECT--
one level, empty: same
one level: same
256 levels, empty: same
256 levels: same
256 levels beside flat values: same
