--TEST--
A repeated read of an element sees each change, whoever makes it and by whatever method
--INI--
igor.config={PWD}/stores.Caddyfile
--FILE--
<?php
enum Suit
{
    case Hearts;
}
$store = new FrankenPHP\SharedArray('other');
$same = new FrankenPHP\SharedArray('other');
$another = new FrankenPHP\SharedArray();

// Each call reads twice: the second may come from the cache.
$read = static function () use ($store): mixed {
    $first = $store['k'] ?? 'none';
    $second = $store['k'] ?? 'none';
    $third = $store->get('k', 'none');
    return $first === $second && $second === $third ? $first : throw new LogicException('two reads differ');
};
$shown = static fn () => print(json_encode($read()) . "\n");

foreach ([1, 1.5, true, 'text', str_repeat('long ', 2), [1, ['a' => 'b']], range(1, 3)] as $value) {
    $store['k'] = $value;
    $shown();
}
$store['k'] = Suit::Hearts;
var_dump($read() === Suit::Hearts);
$store['k'] = ['suit' => Suit::Hearts];
var_dump($read()['suit'] === Suit::Hearts);

// A change of what was read is the script's own.
$store['k'] = [1, 2];
$read();
$own = $store['k'];
$own[] = 3;
$shown();

$store['k'] = 1;
foreach ([
    'increment' => fn () => $same->increment('k'),
    'cas' => fn () => $same->cas('k', 2, 'swapped'),
    'merge' => fn () => $same->merge(['k' => 'merged']),
    'replace' => fn () => $same->replace(['k' => 'replaced']),
    'pull' => fn () => $same->pull('k'),
    'add' => fn () => $same->add('k', 'added'),
    'unset' => function () use ($same): void { unset($same['k']); },
    'compute' => fn () => $same->compute('k', fn () => 'computed'),
    'clear' => fn () => $same->clear(),
    'set' => fn () => $same->set('k', 'for a moment', 0.02),
] as $how => $change) {
    $before = $read();
    $change();
    echo $how, ': ', json_encode($before), ' ', json_encode($store['k'] ?? 'none'), "\n";
}
$end = microtime(true) + 10;
while (isset($store["k"]) && microtime(true) < $end) {
    usleep(1000);
}
$shown();

// Two stores with one key.
$store['k'] = 'other';
$another['k'] = 'default';
for ($i = 0; $i < 3; $i++) {
    echo $store['k'], ' ', $another['k'], "\n";
}
?>
--EXPECT--
1
1.5
true
"text"
"long long "
[1,{"a":"b"}]
[1,2,3]
bool(true)
bool(true)
[1,2]
increment: 1 2
cas: 2 "swapped"
merge: "swapped" "merged"
replace: "merged" "replaced"
pull: "replaced" "none"
add: "none" "added"
unset: "added" "none"
compute: "none" "computed"
clear: "computed" "none"
set: "none" "for a moment"
"none"
other default
other default
other default
