--TEST--
Tasks: payloads, updates and results of every kind of value, in order, and what follows on the end
--INI--
igor.config={PWD}/tasks.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';
enum Suit: string
{
    case Hearts = 'H';
}

use FrankenPHP\SentTaskHandle;

$values = ['null' => null, 'bools' => [true, false], 'int' => PHP_INT_MIN, 'floats' => [-0.0, INF], 'text' => "\xff\0ü",
    'large' => str_repeat('x', 200000), 5 => [7 => [], 'deep' => [[['x']]]], 'case' => Suit::Hearts];
$task = new SentTaskHandle('echo', $values);
$update = $task->read();
var_dump($update['got'] === $values, $task->read(), $task->read());

// More steps than are buffered.
$task = new SentTaskHandle('echo', ['do' => 'steps', 'steps' => 100]);
for ($steps = []; null !== $update = $task->read();) {
    $steps[] = $update['step'];
}
var_dump($steps === range(1, 100));

$task = new SentTaskHandle('echo', ['do' => 'after the end']);
var_dump($task->read(), $task->read());
$log = wait_until('the log', fn () => frankenphp_get_vars('echo')['log']);
print_r($log);
var_dump(feof($task->getStream()));
$task->abandon();
$task->abandon();
failure(fn () => $task->read());
?>
--EXPECT--
bool(true)
NULL
NULL
bool(true)
array(1) {
  ["last"]=>
  bool(true)
}
NULL
Array
(
    [0] => the task is over
    [1] => the task is over
    [2] => after the end
    [3] => 1
)
bool(true)
RuntimeException: the task is over: it was abandoned
