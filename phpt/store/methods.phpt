--TEST--
The methods of a store: what they do and return
--INI--
igor.config={PWD}/stores.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';
$store = new FrankenPHP\SharedArray('other');

echo "get: ", json_encode([$store->get('none'), $store->get('none', 'else'), $store['none'] ?? 'quiet']), "\n";
echo "add: ", json_encode([$store->add('a', 1), $store->add('a', 2), $store['a']]), "\n";
$store->set('list', [1, ['x']]);
echo "cas: ", json_encode([
    $store->cas('a', 2, 3), $store->cas('a', '1', 3), $store->cas('a', 1, 3), $store->cas('none', null, 1),
    $store->cas('list', [1, ['y']], 'no'), $store->cas('list', [1, ['x']], 'changed'), $store['a'], $store['list'],
]), "\n";
echo "pull: ", json_encode([$store->pull('list'), $store->pull('list'), $store->pull('list', 5)]), "\n";
echo "delete: ", json_encode([$store->delete('a'), $store->delete('a'), isset($store['a'])]), "\n";
echo "increment: ", json_encode([
    $store->increment('n'), $store->increment('n', 5), $store->decrement('n', 2), $store->increment('n', 0.5),
    $store->decrement('m'), $store->increment('k', ttl: 100.0),
]), "\n";
$store['text'] = '41';
$store['point'] = '1.5';
echo "of strings: ", json_encode([$store->increment('text'), $store->increment('point')]), "\n";
$store->clear();
$store->merge(['a' => 1, 'b' => [2], 3 => 'three']);
$store->merge(['a' => 'new', 'c' => null]);
$snapshot = $store->snapshot();
ksort($snapshot);
echo "merge: ", json_encode($snapshot), "\n";
$store->replace(['b' => 'kept', 'd' => 4]);
$snapshot = $store->snapshot();
ksort($snapshot);
echo "replace: ", json_encode($snapshot), ' ', count($store), "\n";
unset($store['b'], $store['none']);
echo "unset: ", json_encode($store->snapshot()), "\n";
$version = $store->version();
$store['d'] = 5;
$store->get('d');
unset($store['none']);
echo "version: ", $store->version() - $version, "\n";

$store->set('soon', 'there', 0.05);
$store->set('late', 'there', 100);
var_dump($store['soon']);
wait_until('it expires', fn () => !isset($store['soon']));
$keys = $store->keys();
sort($keys);
echo "ttl: ", json_encode([$store->get('soon'), $keys, count($store)]), "\n";
var_dump($store->add('soon', 'again', 100), $store->compute('soon', fn () => 'no'));

$calls = 0;
$compute = function () use (&$calls) {
    $calls++;
    return ['made' => $calls];
};
echo "compute: ", json_encode([$store->compute('made', $compute), $store->compute('made', $compute), $calls]), "\n";
echo "compute null: ", json_encode([$store->compute('null', fn () => null), $store->compute('null', fn () => 1)]), "\n";

// One store has one content, and another one another.
$same = new FrankenPHP\SharedArray('other');
$different = new FrankenPHP\SharedArray();
var_dump($same['d'], isset($different['d']), $same == $store);
?>
--EXPECT--
get: [null,"else","quiet"]
add: [true,false,1]
cas: [false,false,true,false,false,true,3,"changed"]
pull: ["changed",null,5]
delete: [true,false,false]
increment: [1,6,4,4.5,-1,1]
of strings: [42,2.5]
merge: {"3":"three","a":"new","b":[2],"c":null}
replace: {"b":"kept","d":4} 2
unset: {"d":4}
version: 1
string(5) "there"
ttl: [null,["d","late"],2]
bool(true)
string(5) "again"
compute: [{"made":1},{"made":1},1]
compute null: [null,null]
int(5)
bool(false)
bool(true)
