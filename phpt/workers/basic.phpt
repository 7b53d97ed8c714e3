--TEST--
B10 (c), B12, B13, B22, B30: a worker is started by require or ensure, and read
--INI--
igor.config={PWD}/basic.Caddyfile
--FILE--
<?php
var_dump(frankenphp_require_background_worker('feed'), frankenphp_get_vars('feed'));
// Ready once, ready for good: the shortest of waits is enough.
frankenphp_require_background_worker('feed', 0.000001);
frankenphp_ensure_background_worker('feed', 0.000001);
frankenphp_ensure_background_worker(['prices', 'feed'], 10);
var_dump(frankenphp_get_vars(['feed', 'prices']));
var_dump(frankenphp_get_vars('feed') === frankenphp_get_vars('feed'));
?>
--EXPECT--
NULL
array(1) {
  ["name"]=>
  string(4) "feed"
}
array(2) {
  ["feed"]=>
  array(1) {
    ["name"]=>
    string(4) "feed"
  }
  ["prices"]=>
  array(1) {
    ["name"]=>
    string(6) "prices"
  }
}
bool(true)
