--TEST--
N2 (B23): a reference that one slot holds is a plain value
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

round_trip([
    'left by foreach' => function () {
        $a = [1, [2, 3], 'four'];
        foreach ($a as &$v) {
        }
        unset($v);
        return $a;
    },
    'left by foreach at two levels' => function () {
        $a = ['x' => [1, 2], 'y' => [3]];
        foreach ($a as &$list) {
            foreach ($list as &$v) {
                $v *= 10;
            }
            unset($v);
        }
        unset($list);
        return $a;
    },
    'to an array' => function () {
        $inner = ['a' => 1];
        $a = ['outer' => &$inner];
        unset($inner);
        return $a;
    },
    'the array itself is one' => function () {
        $a = [1, 2];
        $b = &$a;
        return $b;
    },
]);
?>
--EXPECT--
left by foreach: same
left by foreach at two levels: same
to an array: same
the array itself is one: same
