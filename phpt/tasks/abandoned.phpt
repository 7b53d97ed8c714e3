--TEST--
Tasks: the receiver sees that its sender has abandoned the task
--INI--
igor.config={PWD}/tasks.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

foreach (['abandon', 'unset'] as $how) {
    $task = new FrankenPHP\SentTaskHandle('echo', ['do' => 'wait for the sender']);
    var_dump($task->read());
    if ($how === 'abandon') {
        $task->abandon();
    }
    unset($task);
}
print_r(wait_until('the log', fn () => count($log = frankenphp_get_vars('echo')['log']) === 6 ? $log : null));
?>
--EXPECT--
array(1) {
  [0]=>
  string(5) "taken"
}
array(1) {
  [0]=>
  string(5) "taken"
}
Array
(
    [0] => 1
    [1] => 1
    [2] => the task is over: its sender has abandoned it
    [3] => 1
    [4] => 1
    [5] => the task is over: its sender has abandoned it
)
