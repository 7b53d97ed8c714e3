--TEST--
A store between threads: no increment is lost, one computes and the others wait, a change wakes who watches
--INI--
igor.config={PWD}/stores.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';
$store = new FrankenPHP\SharedArray();

// Four workers and this script.
$store['goal'] = 20000;
for ($i = 0; $i < 20000; $i++) {
    $store->increment('count');
}
wait_until('all have counted', fn () => $store->get('ended') === 4);
var_dump($store['count']);

// A computation of another thread that fails is made here.
$other = new FrankenPHP\SharedArray('other');
$other['compute'] = true;
wait_until('it computes', fn () => isset($other['computing']));
$other['waited'] = true;
var_dump($other->compute('slow', fn () => 'made here'));
wait_until('it has failed', fn () => isset($other['failed']));
var_dump($other['failed']);

// One that does not fail is waited for.
wait_until('it computes', fn () => isset($other['computing shared']));
$other['go on'] = true;
var_dump($other->compute('shared', fn () => 'made here'));

// What has expired is there for those who need not compute.
$stream = $other->watch();
$select = function (int $seconds) use ($stream): int {
    $read = [$stream];
    $none = null;
    return stream_select($read, $none, $none, $seconds);
};
var_dump($select(0));
$other['a'] = 1;
var_dump($select(5), fread($stream, 100), $select(0));
for ($i = 0; $i < 100000; $i++) {
    $other->increment('many');
}
var_dump($select(5), strlen(fread($stream, 100000)) > 0);
var_dump($other->watch() === $stream);
fclose($stream);
$other['a'] = 2;
var_dump(is_resource($other->watch()));
?>
--EXPECT--
int(100000)
string(9) "made here"
string(9) "not today"
array(1) {
  ["by"]=>
  string(10) "the worker"
}
int(0)
int(1)
string(1) "!"
int(0)
int(1)
bool(true)
bool(true)
bool(true)
