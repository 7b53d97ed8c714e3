--TEST--
B19, B20, B47, B48: a worker that is given up says what ended it
--INI--
igor.config={PWD}/gave_up.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

foreach (['throws', 'exits', 'returns', 'fatal', 'memory', 'parse', 'dies'] as $name) {
    failure(fn () => frankenphp_require_background_worker($name, 10));
}
// Starting it again is a new life: the attempts are counted from 1.
failure(fn () => frankenphp_ensure_background_worker('exits', 10));
failure(fn () => frankenphp_get_vars('exits'));
?>
--EXPECTF--
RuntimeException: background worker "throws" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 255, last error: Fatal error: Uncaught DomainException: no connection in %s/workers/failing.worker.php:4; see max_consecutive_failures
RuntimeException: background worker "exits" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 3, no PHP error; see max_consecutive_failures
RuntimeException: background worker "returns" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 0: the script ended before it called frankenphp_set_vars(); see max_consecutive_failures
RuntimeException: background worker "fatal" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 255, last error: Fatal error: Uncaught Error: Call to undefined function no_such_function() in %s/workers/failing.worker.php:7; see max_consecutive_failures
RuntimeException: background worker "memory" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 255, last error: Fatal error: Allowed memory size of 134217728 bytes exhausted%s(tried to allocate 36028797018963999 bytes) in %s/workers/failing.worker.php:8; see max_consecutive_failures
RuntimeException: background worker "parse" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 255, last error: Parse error: syntax error, unexpected identifier "is" in %s/include/parse_error.inc:3; see max_consecutive_failures
RuntimeException: background worker "dies" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 0: the script ended before it called frankenphp_set_vars(); see max_consecutive_failures
RuntimeException: background worker "exits" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 3, no PHP error; see max_consecutive_failures
RuntimeException: background worker "exits" (%s/workers/failing.worker.php) in scope ":0" has been given up: 2 failed attempts, last exit status 3, no PHP error; see max_consecutive_failures
