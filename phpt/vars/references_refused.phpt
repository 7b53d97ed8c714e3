--TEST--
Values 2 (B24): shared references and recursion are refused
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/refusals.inc';

refusals([
    'recursion' => function () {
        $a = ['name' => 1];
        $a['self'] = &$a;
        return $a;
    },
    'recursion below' => function () {
        $b = [];
        $b['again'] = &$b;
        return ['ok' => 1, 'list' => [0, $b]];
    },
    'shared with a variable' => function () {
        static $v = 5;
        return ['deep' => ['er' => [1, &$v]]];
    },
    'shared with another slot' => function () {
        $a = [1, 2];
        $a[1] = &$a[0];
        return $a;
    },
    'left by foreach and still held' => function () {
        static $holder;
        $holder ??= new stdClass();
        $a = ['x', 'y'];
        foreach ($a as &$holder->last) {
        }
        return $a;
    },
    'a key with a quote and a backslash' => function () {
        static $v = 1;
        return ["it's" => ['back\\slash' => &$v]];
    },
]);
?>
--EXPECT--
x
