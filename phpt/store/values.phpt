--TEST--
A store keeps values of every kind as they are, under keys as arrays have them
--INI--
igor.config={PWD}/stores.Caddyfile
--FILE--
<?php
enum Suit: string
{
    case Hearts = 'H';
}
$store = new FrankenPHP\SharedArray('other');
$values = [
    'null' => null, 'false' => false, 'true' => true, 'int' => PHP_INT_MIN, 'minus zero' => -0.0, 'inf' => INF, 'empty' => '',
    'bytes' => "\xff\0ü", 'long' => str_repeat('x', 5000), 'longer' => str_repeat('y', 200000), 'list' => [1, 2, 3],
    'no elements' => [], 'deep' => ['a' => ['b' => [[['c']]]]], 'case' => Suit::Hearts, 'cases' => ['in' => [Suit::Hearts]],
    "key with \0" => 1, '' => 'empty key', 7 => 'integer key', -3 => 'negative key', '08' => 'no integer', str_repeat('k', 1000) => 1,
];
foreach ($values as $key => $value) {
    $store[$key] = $value;
}
foreach ($values as $key => $value) {
    foreach ([$store[$key], $store->get($key), $store->offsetGet($key)] as $read) {
        if ($read !== $value || (is_float($value) && 1 / ($value ?: INF) !== 1 / ($read ?: INF))) {
            echo "$key differs\n";
        }
    }
}
$snapshot = $store->snapshot();
ksort($snapshot);
ksort($values);
var_dump($snapshot === $values, count($store) === count($values));
$keys = $store->keys();
sort($keys);
$expected = array_keys($values);
sort($expected);
var_dump($keys === $expected);
$seen = [];
foreach ($store as $key => $value) {
    $seen[$key] = $value;
}
ksort($seen);
var_dump($seen === $values);

// A string of a number is that number's key.
$store['12'] = 'twelve';
var_dump($store[12], $store['7'], isset($store['08']), isset($store[8]), isset($store['null']), empty($store['empty']));

// What was read is an ordinary array.
$list = $store['list'];
$list[] = 4;
$deep = $store['deep'];
$deep['a']['b'][] = 'more';
var_dump($list, count($deep['a']['b']), $store['list'] === [1, 2, 3], $store['deep'] === $values['deep']);
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
bool(true)
string(6) "twelve"
string(11) "integer key"
bool(true)
bool(false)
bool(false)
bool(true)
array(4) {
  [0]=>
  int(1)
  [1]=>
  int(2)
  [2]=>
  int(3)
  [3]=>
  int(4)
}
int(2)
bool(true)
bool(true)
