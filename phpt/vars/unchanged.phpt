--TEST--
N6 (B26, B33, B34): what counts as a change
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$values = [
    'zero' => fn () => ['n' => NAN, 'x' => 0.0],
    'minus zero' => fn () => ['n' => NAN, 'x' => -0.0],
    'NAN' => fn () => ['x' => NAN],
    'other bits of NAN' => fn () => ['x' => unpack('E', "\x7f\xf8\x00\x00\x00\x00\x00\x2a")[1]],
    'int' => fn () => ['n' => NAN, 'x' => 1],
    'float' => fn () => ['n' => NAN, 'x' => 1.0],
    'text' => fn () => ['n' => NAN, 'x' => '1'],
    'other order' => fn () => ['x' => '1', 'n' => NAN],
    'nested' => fn () => ['x' => ['1', ['a' => null]], 'n' => NAN],
    'other next index' => function () {
        $inner = ['1', ['a' => null], 2];
        unset($inner[2]);
        return ['x' => $inner, 'n' => NAN];
    },
    'empty' => fn () => [],
];
$publish = steps(array_map(fn ($make) => fn () => frankenphp_set_vars($make()), $values));

/* Two reads give the same array instance exactly when === holds although it has a NAN in it: === looks at the elements only
 * of different instances. */
$publish('zero');
foreach (array_keys($values) as $name) {
    $before = published();
    $publish($name);
    $after = published();
    $publish($name);
    echo str_pad($name, 18), $before === $after ? 'equal to the one before' : 'new', ', ',
        published() === $after ? 'then unchanged' : 'then new again', "\n";
}
?>
--EXPECT--
zero              equal to the one before, then unchanged
minus zero        new, then unchanged
NAN               new, then unchanged
other bits of NAN new, then unchanged
int               new, then unchanged
float             new, then unchanged
text              new, then unchanged
other order       new, then unchanged
nested            new, then unchanged
other next index  equal to the one before, then unchanged
empty             new, then unchanged
