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

// A stream that is closed abandons the task, or completes it, and stays closed.
$task = new SentTaskHandle('echo', ['do' => 'wait for the sender']);
var_dump($task->read());
fclose($task->getStream());
var_dump(get_resource_type($task->getStream()));
try {
    $task->read();
} catch (RuntimeException $error) {
    echo $error->getMessage(), "\n";
}
$task = new SentTaskHandle('echo', ['do' => 'close']);
var_dump($task->read(), $task->read());
$task = new SentTaskHandle('echo', ['n' => 1]);
$read = [$task->getStream()];
var_dump(stream_select($read, $none, $none, 10), feof($task->getStream()), $task->read()['got'], $task->read(), feof($task->getStream()));
// A run that exits with a stream open aborts its task.
$task = new SentTaskHandle('echo', ['do' => 'exit with a stream']);
try {
    $task->read();
} catch (RuntimeException $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
Array
(
    [echo] => 5
    [one_by_one] => 5
    [pool] => 5
)
array(1) {
  [0]=>
  string(5) "taken"
}
string(7) "Unknown"
the task is over: it was abandoned
array(1) {
  [0]=>
  string(10) "then close"
}
NULL
int(1)
bool(false)
array(1) {
  ["n"]=>
  int(1)
}
NULL
bool(true)
background worker "echo" ended without completing the task: exit status 4
