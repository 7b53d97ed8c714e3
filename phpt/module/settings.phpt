--TEST--
The configuration's php.ini settings hold for the workers alone, and their errors go to the log
--INI--
igor.config={PWD}/settings.Caddyfile
precision=17
memory_limit=64M
display_errors=1
--FILE--
<?php
frankenphp_require_background_worker('settings');
var_dump(frankenphp_get_vars('settings'));
var_dump(ini_get('precision'), ini_get('memory_limit'), ini_get('display_errors'));
?>
--EXPECT--
array(5) {
  ["precision"]=>
  string(1) "5"
  ["memory_limit"]=>
  string(3) "77M"
  ["display_errors"]=>
  string(1) "0"
  ["max_execution_time"]=>
  string(1) "0"
  ["set"]=>
  bool(false)
}
string(2) "17"
string(3) "64M"
string(1) "1"
