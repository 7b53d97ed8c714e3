--TEST--
N13 (B35): whatever a script does with its array, the snapshot stays
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

const ROWS = ['b' => 2, 'a' => 1, 'list' => [3, 1, 2], 'deep' => ['x' => ['y' => ['z' => 'end', 'n' => [1, 2]]]], 'text' => 'ten'];

$publish = steps(['publish' => fn () => frankenphp_set_vars(ROWS)]);
$publish('publish');
$first = published();

$writes = [
    'foreach by reference' => function (array $a) {
        foreach ($a as $key => &$value) {
            $value = "changed $key";
        }
    },
    'foreach by reference, nested' => function (array $a) {
        foreach ($a['deep']['x'] as &$level) {
            foreach ($level as &$value) {
                $value = 0;
            }
        }
    },
    'sorts' => function (array $a) {
        foreach (['sort', 'rsort', 'asort', 'arsort', 'ksort', 'krsort', 'shuffle', 'natsort', 'natcasesort'] as $sort) {
            $list = $a['list'];
            $sort($list);
            $list = $a['deep']['x']['y']['n'];
            $sort($list);
        }
        uasort($a, fn ($x, $y) => 1);
        uksort($a, strcmp(...));
        usort($a['list'], fn ($x, $y) => $y <=> $x);
        array_multisort($a['list']);
    },
    'array_walk' => function (array $a) {
        array_walk($a, function (&$value, $key) {
            $value = $key;
        });
        $a = published();
        array_walk_recursive($a, function (&$value) {
            $value = 'walked';
        });
    },
    'extract by reference' => function (array $a) {
        extract($a, EXTR_REFS | EXTR_PREFIX_ALL, 'v');
        $v_a = 'changed';
        $v_list[] = 4;
        $v_deep['x']['y']['z'] = 'changed';
    },
    'splice, push, pop, shift, unshift' => function (array $a) {
        array_splice($a['list'], 1, 1, ['spliced']);
        array_push($a['list'], 5);
        array_pop($a['deep']['x']['y']['n']);
        array_shift($a['list']);
        array_unshift($a['deep']['x']['y']['n'], 0);
        array_splice($a, 0);
    },
    'append at every level' => function (array $a) {
        $a[] = 1;
        $a['list'][] = 1;
        $a['deep'][] = 1;
        $a['deep']['x'][] = 1;
        $a['deep']['x']['y'][] = 1;
        $a['deep']['x']['y']['n'][] = 1;
        $a['new']['from']['nothing'][] = 1;
    },
    'unset at every level' => function (array $a) {
        unset($a['deep']['x']['y']['n'][0], $a['deep']['x']['y']['z'], $a['deep']['x']['y'], $a['list'][1], $a['a']);
        unset($a['deep'], $a['list']);
    },
    'references into it' => function (array $a) {
        $x = &$a['deep']['x'];
        $y = &$x['y']['z'];
        $y = 'changed';
        $copy = $a;
        $x = null;
        $list = &$a['list'];
        $list[0]++;
        $list[1] .= 'text';
        $list[2] **= 2;
    },
    'pointer of the array' => function (array $a) {
        next($a);
        end($a);
        prev($a['list']);
        reset($a);
    },
    'offsets of the text' => function (array $a) {
        $a['text'][0] = 'p';
        $a['text'] .= '!';
        $a['deep']['x']['y']['z'][5] = '?';
    },
    'list, spread and swap' => function (array $a) {
        ['b' => &$b, 'list' => [&$one, $two]] = $a;
        $b = $one = 'changed';
        [$a['a'], $a['b']] = [$a['b'], $a['a']];
        $spread = [...$a, 'a' => 'changed'];
        $spread['list'][] = 1;
    },
    'operators and functions that may write in place' => function (array $a) {
        $a += ['new' => 1];
        $a['list'] += [9 => 9];
        $merged = array_merge($a, ['a' => 5]);
        $merged = array_replace_recursive($a, ['deep' => ['x' => ['y' => ['z' => 5]]]]);
        $merged['list'][] = 1;
        settype($a['b'], 'array');
        $padded = array_pad($a['list'], 10, 0);
        array_flip($a['list']);
        $object = (object) $a;
        $object->a = 'changed';
        $object->deep['x'] = 'changed';
        (fn (array &$array) => $array['a'] = 'by reference')($a);
    },
    'generators and closures' => function (array $a) {
        $generator = (function (array &$array) {
            foreach ($array as $key => &$value) {
                yield $key => $value;
                $value = 'changed';
            }
        })($a);
        foreach ($generator as $value) {
        }
        $closure = function () use (&$a) {
            $a['a'] = 'closed over';
        };
        $closure();
    },
    'statics, properties, globals' => function (array $a) {
        static $kept;
        $kept = $a;
        $kept['a'] = 'changed';
        $kept['list'][] = 1;
        $GLOBALS['global'] = published();
        $GLOBALS['global']['deep']['x'] = 'changed';
        $object = new stdClass();
        $object->array = published();
        $object->array['list'][0] = 'changed';
    },
];
foreach ($writes as $name => $write) {
    $write(published());
    $found = difference(ROWS, published()) ?? difference(ROWS, $first);
    echo $name, ': ', $found ?? 'the snapshot is the same', "\n";
}
var_dump($first === published());
?>
--EXPECT--
foreach by reference: the snapshot is the same
foreach by reference, nested: the snapshot is the same
sorts: the snapshot is the same
array_walk: the snapshot is the same
extract by reference: the snapshot is the same
splice, push, pop, shift, unshift: the snapshot is the same
append at every level: the snapshot is the same
unset at every level: the snapshot is the same
references into it: the snapshot is the same
pointer of the array: the snapshot is the same
offsets of the text: the snapshot is the same
list, spread and swap: the snapshot is the same
operators and functions that may write in place: the snapshot is the same
generators and closures: the snapshot is the same
statics, properties, globals: the snapshot is the same
bool(true)
