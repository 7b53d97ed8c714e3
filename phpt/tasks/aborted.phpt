--TEST--
Tasks: a run that ends with an open task aborts it, and the sender is told how the run ended
--INI--
igor.config={PWD}/tasks.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

foreach (['crash', 'exit', 'drop', 'throw'] as $how) {
    $task = new FrankenPHP\SentTaskHandle('echo', ['do' => $how]);
    failure(function () use ($task) {
        while ($update = $task->read()) {
            echo json_encode($update), "\n";
        }
    });
}
// The worker goes on.
var_dump((new FrankenPHP\SentTaskHandle('echo', ['n' => 1]))->read());
?>
--EXPECTF--
RuntimeException: background worker "echo" %s without completing the task: exit status 255, last error: Fatal error: Uncaught Error: Call to undefined function no_such_function() in %secho.worker.php:%d
RuntimeException: background worker "echo" ended without completing the task: exit status 3
RuntimeException: background worker "echo" has not completed the task: its handle was dropped
{"before":"the drop"}
RuntimeException: background worker "echo" has not completed the task: its handle was dropped
array(1) {
  ["got"]=>
  array(1) {
    ["n"]=>
    int(1)
  }
}
