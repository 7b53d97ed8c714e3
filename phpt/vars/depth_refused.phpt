--TEST--
N1 (B24): 257, 10,000 and 1,000,000 levels are refused
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
257 levels: ValueError: frankenphp_set_vars(): $vars[0][0][0][0][0][0][0][0][0][0][0][0]…[0][0][0][0][0][0][0][0][0][0][0][0] is nested deeper than 256 levels
10,000 levels: ValueError: frankenphp_set_vars(): $vars[0][0][0][0][0][0][0][0][0][0][0][0]…[0][0][0][0][0][0][0][0][0][0][0][0] is nested deeper than 256 levels
1,000,000 levels: ValueError: frankenphp_set_vars(): $vars[0][0][0][0][0][0][0][0][0][0][0][0]…[0][0][0][0][0][0][0][0][0][0][0][0] is nested deeper than 256 levels
257 levels, behind keys: ValueError: frankenphp_set_vars(): $vars['level 1']['level 2']['level 3']['level 4']['level 5']['level 6']['level 7']['level 8']['level 9']['level 10']['level 11']['level 12']…['level 245']['level 246']['level 247']['level 248']['level 249']['level 250']['level 251']['level 252']['level 253']['level 254']['level 255']['level 256'] is nested deeper than 256 levels
