--TEST--
B2, B4, B21: a catch-all serves any name, up to its cap
--INI--
igor.config={PWD}/catch_all.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

failure(fn () => frankenphp_get_vars('one'));
frankenphp_ensure_background_worker(['one', '2', 'named']);
var_dump(frankenphp_get_vars(['one', '2', 'named']));
failure(fn () => frankenphp_require_background_worker('three'));
failure(fn () => frankenphp_ensure_background_worker(['one', 'three']));
failure(fn () => frankenphp_get_vars('three'));
frankenphp_require_background_worker('one');
?>
--EXPECT--
RuntimeException: background worker "one" has published nothing: it has not been started; call frankenphp_ensure_background_worker("one") first
array(3) {
  ["one"]=>
  array(1) {
    ["name"]=>
    string(3) "one"
  }
  [2]=>
  array(1) {
    ["name"]=>
    string(1) "2"
  }
  ["named"]=>
  array(1) {
    ["name"]=>
    string(5) "named"
  }
}
RuntimeException: background worker "three" cannot be started: the catch-all of scope ":0" runs 2 names already; raise its max_threads
RuntimeException: background worker "three" cannot be started: the catch-all of scope ":0" runs 2 names already; raise its max_threads
RuntimeException: background worker "three" has published nothing: it has not been started; call frankenphp_ensure_background_worker("three") first
