--TEST--
N18 (B23): dumped, encoded and exported as an ordinary array
--SKIPIF--
<?php
if (PHP_SAPI === 'cli') die('skip the script of a stock php is long-lived, so it gets a copy of a small snapshot');
?>
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

enum Suit: string
{
    case Hearts = 'h';
}

const PLAIN = ['null' => null, 'bool' => [true, false], 'int' => -7, 'float' => [0.1, -0.0, 1e100], 'text' => "a\0b\"'\\é",
    'list' => [1, [2, [3]]], 5 => 'five', '08' => 'text key', '' => 'empty key', 'none' => []];

$publish = steps([
    'plain' => fn () => frankenphp_set_vars(PLAIN),
    'enum' => fn () => frankenphp_set_vars(['suit' => Suit::Hearts, 'list' => [1, 2]]),
]);

function captured(callable $function, mixed ...$arguments): string
{
    ob_start();
    $function(...$arguments);
    return ob_get_clean();
}

$writers = [
    'var_dump' => fn ($a) => captured(var_dump(...), $a),
    'print_r' => fn ($a) => print_r($a, true),
    'var_export' => fn ($a) => var_export($a, true),
    'serialize' => serialize(...),
    'json_encode' => fn ($a) => json_encode($a, JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_PRETTY_PRINT),
    'http_build_query' => http_build_query(...),
    'debug_zval_refcount' => fn ($a) => preg_replace('/ (refcount\(\d+\)|interned) ?/', '', captured(debug_zval_dump(...), $a)),
    'count' => fn ($a) => count($a) . ' ' . count($a, COUNT_RECURSIVE),
    'foreach' => function ($a) {
        $text = '';
        foreach ($a as $key => $value) {
            $text .= var_export($key, true) . gettype($value);
        }
        return $text;
    },
    'iterator' => fn ($a) => serialize(iterator_to_array(new RecursiveIteratorIterator(new RecursiveArrayIterator($a)), false)),
    'array functions' => fn ($a) => serialize([array_keys($a), array_values($a), array_reverse($a, true), array_slice($a, 2, 3),
        array_filter($a), array_column([$a], 'int'), array_search('five', $a, true), in_array([], $a, true)]),
    'sizes of types' => fn ($a) => implode(array_map(get_debug_type(...), $a)),
];
foreach (['plain' => PLAIN, 'enum' => ['suit' => Suit::Hearts, 'list' => [1, 2]]] as $step => $expected) {
    $publish($step);
    foreach ($writers as $name => $writer) {
        if ($writer($expected) !== $writer(published())) {
            echo "$step: $name differs:\n", $writer(published()), "\n";
        }
    }
    var_dump(unserialize(serialize(published())) === $expected, eval('return ' . var_export(published(), true) . ';') === $expected);
}
$publish('plain');
debug_zval_dump(published()['list']);

function parameter(array $value = PLAIN): void
{
}
$default = (new ReflectionFunction('parameter'))->getParameters()[0]->getDefaultValue();
var_dump($default === published());
var_dump(count((new ReflectionObject((object) published()))->getProperties()));
?>
--EXPECTF--
bool(true)
bool(true)
bool(true)
bool(true)
array(2)%sinterned {
  [0]=>
  int(1)
  [1]=>
  array(2)%sinterned {
    [0]=>
    int(2)
    [1]=>
    array(1)%sinterned {
      [0]=>
      int(3)
    }
  }
}
bool(true)
int(10)
