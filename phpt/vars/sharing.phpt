--TEST--
N8 (B24): what stands in many places is stored once
--INI--
igor.config={PWD}/sharing.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

/** 2 to the power of $levels places, in as many arrays as there are levels. */
function doubled(int $levels): array
{
    $value = ['leaf'];
    for ($level = 0; $level < $levels; $level++) {
        $value = [$value, $value];
    }
    return $value;
}

$publish = round_trip([
    'one array a thousand times' => fn () => array_fill(0, 1000, range(1, 1000)),
    'one text a thousand times' => fn () => array_fill(0, 1000, str_repeat('x', 10_000)),
    'one constant array a thousand times' => fn () => array_fill(0, 1000, ['a' => 1, 'b' => [2, 3], 'c' => 'text']),
    'doubled 8 times' => fn () => doubled(8),
], [
    'doubled 30 times' => fn () => frankenphp_set_vars(doubled(30)),
    'the same text as key and value' => function () {
        $text = str_repeat('k', 100_000);
        frankenphp_set_vars([$text => $text, 'again' => [$text => $text]]);
    },
    'too large' => fn () => frankenphp_set_vars(['x' => ['y' => range(1, 100_000)]]),
    'two different texts' => fn () => frankenphp_set_vars([str_repeat('a', 200_000), str_repeat('b', 200_000)]),
]);
var_dump($publish('doubled 30 times'));
$value = published();
for ($level = 0; $level < 30; $level++) {
    if ($value[0] !== $value[1] || count($value) !== 2) {
        echo "level $level is different\n";
    }
    $value = $value[$level % 2];
}
var_dump($value);
var_dump($publish('the same text as key and value'), strlen(array_key_first(published())));
var_dump($publish('too large'), $publish('two different texts'));
?>
--EXPECT--
one array a thousand times: same
one text a thousand times: same
one constant array a thousand times: same
doubled 8 times: same
NULL
array(1) {
  [0]=>
  string(4) "leaf"
}
NULL
int(100000)
string(165) "ValueError: frankenphp_set_vars(): the array needs more than 262144 bytes at $vars['x']['y']; publish less, or raise max_bytes in the vars block of the configuration"
string(158) "ValueError: frankenphp_set_vars(): the array needs more than 262144 bytes at $vars[1]; publish less, or raise max_bytes in the vars block of the configuration"
