--TEST--
Tasks: a worker that takes none, one that is given up, one that is unknown, and circles of waits
--INI--
igor.config={PWD}/tasks.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

use FrankenPHP\SentTaskHandle;

failure(fn () => new SentTaskHandle('silent', [], 0.05));
failure(fn () => new SentTaskHandle('silent', [], 0));
failure(fn () => new SentTaskHandle('broken', [], null));
failure(fn () => new SentTaskHandle('unknown', []));
// A worker of one thread that sends to itself; a pool that does has another thread.
var_dump((new SentTaskHandle('echo', ['do' => 'relay', 'to' => 'echo', 'with' => []]))->read());
var_dump((new SentTaskHandle('pool', ['do' => 'relay', 'to' => 'pool', 'with' => ['n' => 1]]))->read());
// A circle through another worker.
var_dump((new SentTaskHandle('echo', ['do' => 'relay', 'to' => 'one_by_one', 'with' => ['do' => 'relay', 'to' => 'echo', 'with' => []]]))->read());
?>
--EXPECTF--
RuntimeException: background worker "silent" has not taken the task within 0.05 s: no thread asked for one; its script must call FrankenPHP\WorkerHandle::receive()
RuntimeException: background worker "silent" has not taken the task within 0 s: no thread asked for one; its script must call FrankenPHP\WorkerHandle::receive()
RuntimeException: background worker "broken" (%sbroken.worker.php) in scope ":0" has been given up: 1 failed attempt, last exit status 7, no PHP error; see max_consecutive_failures
RuntimeException: background worker "unknown" is not declared in scope ":0" %s
array(1) {
  ["failed"]=>
  string(%d) "background workers wait for each other's tasks in a circle: "echo" -> "echo""
}
array(1) {
  ["got"]=>
  array(1) {
    ["n"]=>
    int(1)
  }
}
array(1) {
  ["failed"]=>
  string(%d) "background workers wait for each other's tasks in a circle: "one_by_one" -> "echo" -> "one_by_one""
}
