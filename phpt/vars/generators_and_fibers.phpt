--TEST--
N17 (B35): held by a suspended generator or fiber across a publish, and in cyclic garbage
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$publish = steps([
    'first' => fn () => frankenphp_set_vars(['name' => 'first', 'list' => [1, 2, 3]]),
    'second' => fn () => frankenphp_set_vars(['name' => 'second', 'list' => [4]]),
]);
$publish('first');

function walk(): Generator
{
    $vars = published();
    foreach ($vars['list'] as $value) {
        yield $vars['name'] => $value;
    }
}

$generator = walk();
echo $generator->key(), $generator->current();
$fiber = new Fiber(function (array $vars) {
    foreach ($vars['list'] as &$value) {
        Fiber::suspend($vars['name'] . $value);
    }
    return published()['name'];
});
echo ' ', $fiber->start(published());
$nested = new Fiber(function () {
    foreach (published()['list'] as $value) {
        Fiber::suspend($value);
    }
});
$nested->start();

$publish('second');
$generator->next();
echo ' ', $generator->key(), $generator->current(), ' ', $fiber->resume(), ' ', $fiber->resume(), "\n";
$fiber->resume();
echo $fiber->getReturn(), "\n";
// Destroyed while suspended.
unset($generator, $nested);

for ($i = 0; $i < 1000; $i++) {
    $a = new stdClass();
    $b = new stdClass();
    $a->vars = published();
    $a->other = $b;
    $b->other = $a;
    $b->list = $a->vars['list'];
    $b->changed = [$a->vars, $a];
    $b->changed[0]['name'] = $a;
    if ($i % 100 === 0) {
        $publish($i % 200 ? 'first' : 'second');
    }
    unset($a, $b);
}
var_dump(gc_collect_cycles() > 0, published()['name']);
?>
--EXPECT--
first1 first1 first2 first2 first3
second
bool(true)
string(5) "first"
