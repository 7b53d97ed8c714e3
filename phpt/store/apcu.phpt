--TEST--
The functions of the extension apcu on a store
--INI--
igor.config={PWD}/apcu.Caddyfile
--FILE--
<?php
class Point
{
    public function __construct(public int $x, public ?Point $next = null) {}
}

var_dump(apcu_enabled(), ini_get('apc.enabled'), extension_loaded('apcu'));
echo json_encode([
    apcu_store('a', 1), apcu_add('a', 2), apcu_add('b', [1, ['x']]), apcu_fetch('a', $found), $found, apcu_fetch('none', $found), $found,
    apcu_store(['c' => null, 'd' => 'text', 7 => 'seven']), apcu_fetch(['a', 'none', 'd', '7']), apcu_exists('c'),
    apcu_exists(['a', 'none', 'c']), apcu_fetch('c', $found), $found,
]), "\n";
echo json_encode([
    apcu_inc('n'), apcu_inc('n', 5, $done), $done, apcu_dec('n', 2), apcu_inc('d', 1, $done), $done, apcu_cas('n', 4, 10),
    apcu_cas('n', 4, 11), apcu_fetch('n'), apcu_inc('short', 3, $done, 100),
]), "\n";
$point = new Point(1, new Point(2));
var_dump(apcu_store('object', $point), apcu_fetch('object') == $point, apcu_fetch('object') === $point);
$shared = ['x' => 1];
$shared['y'] = &$shared['x'];
var_dump(apcu_store('references', $shared), apcu_fetch('references') === ['x' => 1, 'y' => 1]);
echo json_encode([apcu_entry('entry', fn ($key) => "made for $key"), apcu_entry('entry', fn () => 'not'), apcu_entry('point', fn () => $point)]), "\n";
try {
    apcu_entry('fails', fn () => throw new DomainException('not today'));
} catch (DomainException $error) {
    echo $error->getMessage(), "\n";
}
var_dump(apcu_exists('fails'));
try {
    apcu_store('closure', fn () => 1);
} catch (Exception $error) {
    echo $error->getMessage(), "\n";
}
apcu_store('late', 1, 1);
$deadline = microtime(true) + 10;
while (apcu_exists('late') && microtime(true) < $deadline) {
    usleep(10000);
}
var_dump(apcu_exists('late'));

$iterator = new APCUIterator('/^[ab]$/', APC_ITER_KEY | APC_ITER_VALUE);
$seen = iterator_to_array($iterator);
ksort($seen);
echo json_encode($seen), ' ', $iterator->getTotalCount(), "\n";
var_dump(apcu_delete(new APCUIterator('/^[ab]$/', APC_ITER_KEY)), apcu_exists(['a', 'b', 'd']));
var_dump(apcu_delete('d'), apcu_delete('d'), apcu_delete(['c', 'none']));
echo json_encode([is_array(apcu_key_info('n')), apcu_key_info('none'), apcu_cache_info(true)['num_entries'] > 3,
    count(apcu_cache_info()['cache_list']) > 3, apcu_sma_info()['num_seg']]), "\n";
echo count(array_filter(range(1, 2000), fn ($n) => apcu_store("fill $n", $n))) < 2000 ? "full\n" : "not full\n";
var_dump(apcu_clear_cache(), apcu_fetch('n'), count(new FrankenPHP\SharedArray('cache')));
?>
--EXPECT--
bool(true)
string(1) "1"
bool(false)
[true,false,true,1,true,false,false,[],{"a":1,"d":"text","7":"seven"},true,{"a":true,"c":true},null,true]
[1,6,true,4,false,false,true,false,10,3]
bool(true)
bool(true)
bool(false)
bool(true)
bool(true)
["made for entry","made for entry",{"x":1,"next":{"x":2,"next":null}}]
not today
bool(false)
Serialization of 'Closure' is not allowed
bool(false)
{"a":{"key":"a","value":1},"b":{"key":"b","value":[1,["x"]]}} 2
bool(true)
array(1) {
  ["d"]=>
  bool(true)
}
bool(true)
bool(false)
array(1) {
  [0]=>
  string(4) "none"
}
[true,null,true,true,1]
full
bool(true)
bool(false)
int(0)
