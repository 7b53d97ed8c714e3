--TEST--
Started and stopped a thousand times in one process, the workers leave nothing behind
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip a memory checker keeps what was freed, so memory grows');
?>
--FILE--
<?php
require __DIR__ . '/run.inc';

$times = 1000;
$notes = __DIR__ . '/repeat.notes';
@unlink($notes);
$config = escapeshellarg(__DIR__ . '/feed.Caddyfile');
[$status, $output] = run_php("-d igor.config=$config --repeat $times " . escapeshellarg(__DIR__ . '/repeat.inc'));
if ($status !== 0) {
    echo "status $status\n", substr($output, 0, 2000), "\n";
}
$runs = array_map(json_decode(...), file($notes));
// What is allocated once, and by thread, is there after the first runs.
[$first, $last] = [$runs[intdiv($times, 5)], end($runs)];
var_dump(count($runs) === $times, $first[0] === $last[0], $first[1] === $last[1]);
$grown = $last[2] - $first[2];
echo $grown < 2048 ? 'no memory is lost' : "$grown KiB are lost in " . ($times - intdiv($times, 5)) . ' runs', "\n";
?>
--CLEAN--
<?php
@unlink(__DIR__ . '/repeat.notes');
?>
--EXPECT--
bool(true)
bool(true)
bool(true)
no memory is lost
