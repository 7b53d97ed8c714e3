--TEST--
N11 (B24): objects and resources are refused, and none of their methods is called
--INI--
igor.config={PWD}/../include/Caddyfile
memory_limit=1G
--FILE--
<?php
require __DIR__ . '/../include/refusals.inc';

class Loud implements ArrayAccess, IteratorAggregate, Countable, JsonSerializable, Stringable
{
    public function __call($name, $arguments) { exit("__call $name was called\n"); }
    public function __get($name) { exit("__get was called\n"); }
    public function __isset($name) { exit("__isset was called\n"); }
    public function __serialize(): array { exit("__serialize was called\n"); }
    public function __sleep(): array { exit("__sleep was called\n"); }
    public function __toString(): string { exit("__toString was called\n"); }
    public function __debugInfo() { exit("__debugInfo was called\n"); }
    public function __clone() { exit("__clone was called\n"); }
    public function offsetExists(mixed $offset): bool { exit("offsetExists was called\n"); }
    public function offsetGet(mixed $offset): mixed { exit("offsetGet was called\n"); }
    public function offsetSet(mixed $offset, mixed $value): void { exit("offsetSet was called\n"); }
    public function offsetUnset(mixed $offset): void { exit("offsetUnset was called\n"); }
    public function getIterator(): Iterator { exit("getIterator was called\n"); }
    public function count(): int { exit("count was called\n"); }
    public function jsonSerialize(): mixed { exit("jsonSerialize was called\n"); }
}

function closed_resource()
{
    $file = fopen('php://memory', 'r');
    fclose($file);
    return $file;
}

function generator(): Generator
{
    yield 1;
}

refusals([
    'stdClass' => fn () => [new stdClass()],
    'closure' => fn () => ['on' => ['change' => fn () => 1]],
    'first-class callable' => fn () => [strlen(...)],
    'generator' => fn () => [generator()],
    'fiber' => fn () => [new Fiber(fn () => 1)],
    'resource' => fn () => ['db' => ['conn' => fopen('php://memory', 'r')]],
    'closed resource' => fn () => [1, closed_resource()],
    'WeakMap' => fn () => [new WeakMap()],
    'WeakReference' => fn () => [WeakReference::create(new stdClass())],
    'ArrayObject' => fn () => [new ArrayObject([1])],
    'ArrayIterator' => fn () => [new ArrayIterator([1])],
    'DateTime' => fn () => ['at' => new DateTimeImmutable('2020-01-01')],
    'exception' => fn () => [new Exception('x')],
    'anonymous class' => fn () => [new class {}],
    'anonymous subclass' => fn () => [new class extends ArrayObject {}],
    'overloaded' => fn () => [new Loud()],
    'overloaded, deep' => fn () => ['a' => [[['b' => new Loud()]]]],
    'the first of several' => fn () => ['ok' => 1, 'x' => new stdClass(), 'y' => new Loud()],
    'after a million values, at 200 levels' => function () {
        $deep = new Loud();
        for ($level = 0; $level < 198; $level++) {
            $deep = [$deep];
        }
        return ['good' => range(1, 1_000_000), 'bad' => $deep];
    },
]);
?>
--EXPECT--
stdClass: ValueError: frankenphp_set_vars(): $vars[0] is an object of class stdClass; only null, bool, int, float, string, array and enum cases can be published
closure: ValueError: frankenphp_set_vars(): $vars['on']['change'] is an object of class Closure; only null, bool, int, float, string, array and enum cases can be published
first-class callable: ValueError: frankenphp_set_vars(): $vars[0] is an object of class Closure; only null, bool, int, float, string, array and enum cases can be published
generator: ValueError: frankenphp_set_vars(): $vars[0] is an object of class Generator; only null, bool, int, float, string, array and enum cases can be published
fiber: ValueError: frankenphp_set_vars(): $vars[0] is an object of class Fiber; only null, bool, int, float, string, array and enum cases can be published
resource: ValueError: frankenphp_set_vars(): $vars['db']['conn'] is a resource; only null, bool, int, float, string, array and enum cases can be published
closed resource: ValueError: frankenphp_set_vars(): $vars[1] is a resource; only null, bool, int, float, string, array and enum cases can be published
WeakMap: ValueError: frankenphp_set_vars(): $vars[0] is an object of class WeakMap; only null, bool, int, float, string, array and enum cases can be published
WeakReference: ValueError: frankenphp_set_vars(): $vars[0] is an object of class WeakReference; only null, bool, int, float, string, array and enum cases can be published
ArrayObject: ValueError: frankenphp_set_vars(): $vars[0] is an object of class ArrayObject; only null, bool, int, float, string, array and enum cases can be published
ArrayIterator: ValueError: frankenphp_set_vars(): $vars[0] is an object of class ArrayIterator; only null, bool, int, float, string, array and enum cases can be published
DateTime: ValueError: frankenphp_set_vars(): $vars['at'] is an object of class DateTimeImmutable; only null, bool, int, float, string, array and enum cases can be published
exception: ValueError: frankenphp_set_vars(): $vars[0] is an object of class Exception; only null, bool, int, float, string, array and enum cases can be published
anonymous class: ValueError: frankenphp_set_vars(): $vars[0] is an object of class class@anonymous; only null, bool, int, float, string, array and enum cases can be published
anonymous subclass: ValueError: frankenphp_set_vars(): $vars[0] is an object of class ArrayObject@anonymous; only null, bool, int, float, string, array and enum cases can be published
overloaded: ValueError: frankenphp_set_vars(): $vars[0] is an object of class Loud; only null, bool, int, float, string, array and enum cases can be published
overloaded, deep: ValueError: frankenphp_set_vars(): $vars['a'][0][0]['b'] is an object of class Loud; only null, bool, int, float, string, array and enum cases can be published
the first of several: ValueError: frankenphp_set_vars(): $vars['x'] is an object of class stdClass; only null, bool, int, float, string, array and enum cases can be published
after a million values, at 200 levels: ValueError: frankenphp_set_vars(): $vars['bad'][0][0][0][0][0][0][0][0][0][0][0]…[0][0][0][0][0][0][0][0][0][0][0][0] is an object of class Loud; only null, bool, int, float, string, array and enum cases can be published
