--TEST--
N2 (B24): shared references and recursion are refused
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
recursion: ValueError: frankenphp_set_vars(): $vars['self']['self']['self']['self']['self']['self']['self']['self']['self']['self']['self']['self']…['self']['self']['self']['self']['self']['self']['self']['self']['self']['self']['self']['self'] is nested deeper than 256 levels
recursion below: ValueError: frankenphp_set_vars(): $vars['list'][1]['again']['again']['again']['again']['again']['again']['again']['again']['again']['again']…['again']['again']['again']['again']['again']['again']['again']['again']['again']['again']['again']['again'] is nested deeper than 256 levels
shared with a variable: ValueError: frankenphp_set_vars(): $vars['deep']['er'][1] is a reference that a variable still shares; unset() that variable or publish a copy of the value
shared with another slot: ValueError: frankenphp_set_vars(): $vars[0] is a reference that a variable still shares; unset() that variable or publish a copy of the value
left by foreach and still held: ValueError: frankenphp_set_vars(): $vars[1] is a reference that a variable still shares; unset() that variable or publish a copy of the value
a key with a quote and a backslash: ValueError: frankenphp_set_vars(): $vars['it\'s']['back\\slash'] is a reference that a variable still shares; unset() that variable or publish a copy of the value
