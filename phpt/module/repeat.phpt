--TEST--
Started and stopped again and again in one process, the workers leave nothing behind
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip a memory checker keeps what was freed, so memory grows');
?>
--FILE--
<?php
require __DIR__ . '/run.inc';

// More by hand: IGOR_PHPT_REPEAT=300. Not many more: PHP leaves three streams open each time, and from 1,024 descriptors on
// stream_select(), by which the worker learns that it should end, refuses to work (FD_SETSIZE).
$times = (int) (getenv('IGOR_PHPT_REPEAT') ?: 100);
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
// PHP itself leaves the three standard streams open, each time.
var_dump(count($runs) === $times, $first[0] === $last[0], $last[1] - $first[1] === 3 * ($times - 1 - intdiv($times, 5)));
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
