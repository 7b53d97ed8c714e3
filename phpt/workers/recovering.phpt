--TEST--
B10 (c), B47: a worker that becomes ready at its third run
--INI--
igor.config={PWD}/recovering.Caddyfile
--ENV--
COUNT_FILE={PWD}/recovering.count.out
--FILE--
<?php
@unlink(getenv('COUNT_FILE'));
frankenphp_require_background_worker('recovering', 20);
var_dump(frankenphp_get_vars('recovering'));
?>
--CLEAN--
<?php
@unlink(__DIR__ . '/recovering.count.out');
?>
--EXPECT--
array(1) {
  ["run"]=>
  int(3)
}
