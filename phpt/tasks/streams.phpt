--TEST--
Tasks: the streams of several tasks are followed at once by stream_select()
--INI--
igor.config={PWD}/tasks.Caddyfile
--FILE--
<?php
use FrankenPHP\SentTaskHandle;

$tasks = [];
foreach (['echo', 'pool', 'one_by_one'] as $worker) {
    $tasks[$worker] = new SentTaskHandle($worker, ['do' => 'steps', 'steps' => 5]);
}
$steps = array_fill_keys(array_keys($tasks), 0);
while ($tasks !== []) {
    $read = array_map(fn ($task) => $task->getStream(), $tasks);
    $none = null;
    if (stream_select($read, $none, $none, 10) === 0) {
        exit('nothing came');
    }
    foreach ($read as $worker => $_) {
        if ($tasks[$worker]->read() === null) {
            unset($tasks[$worker]);
        } else {
            $steps[$worker]++;
        }
    }
}
ksort($steps);
print_r($steps);

// A closed stream is replaced, and its task goes on.
$task = new SentTaskHandle('echo', ['n' => 1]);
fclose($task->getStream());
$read = [$task->getStream()];
var_dump(stream_select($read, $none, $none, 10), feof($task->getStream()), $task->read()['got'], $task->read(), feof($task->getStream()));
?>
--EXPECT--
Array
(
    [echo] => 5
    [one_by_one] => 5
    [pool] => 5
)
int(1)
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
NULL
bool(true)
