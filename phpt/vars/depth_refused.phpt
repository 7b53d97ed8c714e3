--TEST--
Values 1 (B24): 257, 10,000 and 1,000,000 levels are refused
--INI--
igor.config={PWD}/../include/Caddyfile
memory_limit=1G
--FILE--
<?php
require __DIR__ . '/../include/refusals.inc';

function nested(int $levels): array
{
    $value = [];
    for ($level = 1; $level < $levels; $level++) {
        $value = [$value];
    }
    return $value;
}

refusals([
    '257 levels' => fn () => nested(257),
    '10,000 levels' => fn () => nested(10_000),
    '1,000,000 levels' => fn () => nested(1_000_000),
    '257 levels, behind keys' => function () {
        $value = [];
        for ($level = 256; $level > 0; $level--) {
            $value = ["level $level" => $value];
        }
        return $value;
    },
]);
?>
--EXPECT--
x
