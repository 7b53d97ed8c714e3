--TEST--
N12 (B23, B24): symbol tables and superglobals as argument
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$held = 1;
$steps = [
    'defined variables' => function () {
        $a = 1;
        $b = ['two' => [2.0]];
        $c = null;
        frankenphp_set_vars(get_defined_vars());
    },
    'defined variables with a reference' => function () {
        $a = 1;
        $b = &$a;
        frankenphp_set_vars(get_defined_vars());
    },
    '$_SERVER' => fn () => frankenphp_set_vars($_SERVER),
    'constants' => fn () => frankenphp_set_vars(get_defined_constants(true)['date']),
    'ini' => fn () => frankenphp_set_vars(ini_get_all('date')),
    // It holds the closures of this test.
    '$GLOBALS' => fn () => frankenphp_set_vars($GLOBALS),
    // A symbol table, whose slots lead to the variables.
    '$GLOBALS, what can be published' => fn () => frankenphp_set_vars(array_filter($GLOBALS, is_scalar(...))),
];
$publish = steps($steps);

var_dump($publish('defined variables'), published());
var_dump($publish('defined variables with a reference'));
var_dump($publish('$_SERVER'), published()['argv'] === [realpath(__DIR__ . '/../include/self.worker.php'), worker_name()]);
var_dump($publish('constants'), published() === get_defined_constants(true)['date']);
var_dump($publish('ini'), published() === ini_get_all('date'));
var_dump($publish('$GLOBALS'));
var_dump($publish('$GLOBALS, what can be published'), published());
?>
--EXPECT--
NULL
array(3) {
  ["a"]=>
  int(1)
  ["b"]=>
  array(1) {
    ["two"]=>
    array(1) {
      [0]=>
      float(2)
    }
  }
  ["c"]=>
  NULL
}
string(143) "ValueError: frankenphp_set_vars(): $vars['a'] is a reference that a variable still shares; unset() that variable or publish a copy of the value"
NULL
bool(true)
NULL
bool(true)
NULL
bool(true)
string(176) "ValueError: frankenphp_set_vars(): $vars['steps']['defined variables'] is an object of class Closure; only null, bool, int, float, string, array and enum cases can be published"
NULL
array(2) {
  ["argc"]=>
  int(2)
  ["held"]=>
  int(1)
}
