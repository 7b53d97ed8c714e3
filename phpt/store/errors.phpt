--TEST--
What a store refuses, with words that name it
--INI--
igor.config={PWD}/stores.Caddyfile
--FILE--
<?php
use FrankenPHP\SharedArray;

function refused(Closure $call): void
{
    try {
        $call();
        echo "no failure\n";
    } catch (Throwable $error) {
        echo $error::class, ': ', $error->getMessage(), "\n";
    }
}
set_error_handler(fn ($level, $message) => print("warning: $message\n"));

refused(fn () => new SharedArray('unknown'));
refused(fn () => (new ReflectionClass(SharedArray::class))->newInstanceWithoutConstructor()->count());
$store = new SharedArray('other');
refused(fn () => $store->__construct());
refused(fn () => clone $store);
refused(fn () => serialize($store));
refused(fn () => $store->property = 1);
refused(fn () => $store['object'] = new stdClass());
refused(fn () => $store->set('closure', ['a' => ['b' => fn () => 1]]));
refused(fn () => $store->merge(['good' => 1, 'bad' => STDIN]));
$shared = [1];
$shared[1] = &$shared[0];
refused(fn () => $store['reference'] = $shared);
var_dump(count($store));
refused(fn () => $store[] = 1);
refused(fn () => $store[[]]);
refused(fn () => $store[new stdClass()] = 1);
refused(fn () => $store[str_repeat('k', 70000)]);
refused(fn () => $store->set('a', 1, 0));
refused(fn () => $store->set('a', 1, NAN));
refused(fn () => $store->increment('a', INF));
refused(fn () => $store->decrement('a', PHP_INT_MIN));
$store['array'] = [];
refused(fn () => $store->increment('array'));
$store['words'] = 'inf';
refused(fn () => $store->increment('words'));
$store['max'] = PHP_INT_MAX;
refused(fn () => $store->increment('max'));
var_dump($store['max'] === PHP_INT_MAX);
var_dump($store['missing']);
$store['array']['in'] = 1;
var_dump($store['array']);

refused(fn () => $store->compute('failing', fn () => throw new DomainException('not today')));
refused(fn () => $store->compute('failing', fn () => new stdClass()));
refused(fn () => $store->compute('own', fn () => $store->compute('own', fn () => 1)));
var_dump(isset($store['failing']), $store->compute('failing', fn () => 'at last'));

$small = new SharedArray('small');
foreach ([1, 2, 3] as $key) {
    $small[$key] = $key;
}
refused(fn () => $small[4] = 4);
refused(fn () => $small->increment('n'));
$small[1] = 'replaced';
unset($small[2]);
$small[4] = 4;
$snapshot = $small->snapshot();
ksort($snapshot);
echo json_encode($snapshot), "\n";
$narrow = new SharedArray('narrow');
refused(fn () => $narrow['x'] = str_repeat('x', 2000));
refused(function () use ($narrow) {
    foreach (range(1, 100) as $key) {
        $narrow[$key] = str_repeat('x', 100);
    }
});
$cache = new SharedArray('cache');
foreach (range(1, 1000) as $key) {
    $cache[$key] = $key;
}
var_dump(count($cache));
?>
--EXPECTF--
RuntimeException: store "unknown" is not declared (declared are "cache", "default", "narrow", "other", "small"); add `store unknown` to the frankenphp block of the Caddyfile, or to the php_server block of its scripts
ReflectionException: Class FrankenPHP\SharedArray is an internal class marked as final that cannot be instantiated without invoking its constructor
Error: FrankenPHP\SharedArray is constructed already
Error: Trying to clone an uncloneable object of class FrankenPHP\SharedArray
Exception: Serialization of 'FrankenPHP\SharedArray' is not allowed
Error: Cannot create dynamic property FrankenPHP\SharedArray::$property
ValueError: FrankenPHP\SharedArray: $value is an object of class stdClass; only null, bool, int, float, string, array and enum cases can be published
ValueError: FrankenPHP\SharedArray: $value['a']['b'] is an object of class Closure; only null, bool, int, float, string, array and enum cases can be published
ValueError: FrankenPHP\SharedArray: $value is a resource; only null, bool, int, float, string, array and enum cases can be published
ValueError: FrankenPHP\SharedArray: $value[0] is a reference that a variable still shares; unset() that variable or publish a copy of the value
int(0)
Error: FrankenPHP\SharedArray has no next key, so [] cannot be used for writing
TypeError: Cannot access offset of type array on FrankenPHP\SharedArray
TypeError: Cannot access offset of type stdClass on FrankenPHP\SharedArray
ValueError: a key of a store must be at most 65536 bytes long, 70000 given
ValueError: FrankenPHP\SharedArray::set(): Argument #3 ($ttl) must be a finite number of seconds greater than 0
ValueError: FrankenPHP\SharedArray::set(): Argument #3 ($ttl) must be a finite number of seconds greater than 0
ValueError: FrankenPHP\SharedArray::increment(): Argument #2 ($by) must be finite
ValueError: FrankenPHP\SharedArray::decrement(): Argument #2 ($by) must be greater than PHP_INT_MIN
RuntimeException: element "array" of store "other" is not a number
RuntimeException: element "words" of store "other" is not a number
RuntimeException: element "max" of store "other" would be larger than a number can be
bool(true)
warning: Undefined key "missing" of FrankenPHP\SharedArray
NULL
warning: Indirect modification of overloaded element of FrankenPHP\SharedArray has no effect
array(0) {
}
DomainException: not today
ValueError: FrankenPHP\SharedArray: $value is an object of class stdClass; only null, bool, int, float, string, array and enum cases can be published
RuntimeException: element "own" of store "other" is being computed by this script already
bool(false)
string(7) "at last"
RuntimeException: store "small" is full (3 elements); raise its max_keys, or let it evict (`eviction lru`)
RuntimeException: store "small" is full (3 elements); raise its max_keys, or let it evict (`eviction lru`)
{"1":"replaced","3":3,"4":4}
RuntimeException: %d bytes are needed, and all of store "narrow" has 1024; raise its max_bytes, or store less
RuntimeException: store "narrow" is full (1024 bytes); raise its max_bytes, or let it evict (`eviction lru`)
int(100)
