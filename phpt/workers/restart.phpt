--TEST--
B32, B34, B43, B46: a worker that ends with status 0 is started again, each run a fresh request
--INI--
igor.config={PWD}/restart.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('restart');
$seen = [];
wait_until('the fifth run', function () use (&$seen) {
    $vars = frankenphp_get_vars('restart');
    $seen[$vars['run']] = array_slice($vars, 1);
    return $vars['run'] >= 5;
});
var_dump(array_keys($seen) === range(array_key_first($seen), array_key_last($seen)));
var_dump(array_unique($seen, SORT_REGULAR)[array_key_first($seen)]);
var_dump(count(array_unique($seen, SORT_REGULAR)));
?>
--EXPECT--
bool(true)
array(3) {
  ["statics"]=>
  int(1)
  ["globals"]=>
  int(1)
  ["included"]=>
  string(13) "included anew"
}
int(1)
