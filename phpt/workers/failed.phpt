--TEST--
B10 (c), B19: waiting through failed boots, until the time is over
--INI--
igor.config={PWD}/failed.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

failure(fn () => frankenphp_require_background_worker('throws', 1.2));
?>
--EXPECTREGEX--
RuntimeException: background worker "throws" \(.*\/phpt\/workers\/failing\.worker\.php\) in scope ":0" was not ready after 1\.2\d* s: [345] failed attempts, last exit status 255, last error: Fatal error: Uncaught DomainException: no connection in .*\/phpt\/workers\/failing\.worker\.php:4
