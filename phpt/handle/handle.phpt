--TEST--
FrankenPHP\WorkerHandle: every method in a background worker, beside the functions, up to the end
--INI--
igor.config={PWD}/handle.Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

frankenphp_require_background_worker('handle');
// Its first tick has made it ready; it publishes a little later.
var_dump(wait_until('the publish', function () {
    try {
        return frankenphp_get_vars('handle');
    } catch (RuntimeException) {
        return null;
    }
}));
echo "the script ends\n";
?>
--EXPECTF--
array(%d) {
  ["flag before"]=>
  bool(true)
  ["flag"]=>
  string(6) "handle"
  ["readable at the start"]=>
  int(1)
  ["ticks"]=>
  array(2) {
    [0]=>
    bool(true)
    [1]=>
    bool(true)
  }
  ["no task"]=>
  NULL
  ["one stream"]=>
  bool(true)
  ["type"]=>
  string(6) "stream"
  ["readable"]=>
  int(0)
  ["at its end"]=>
  bool(false)
  ["descriptors lost"]=>
  int(0)
  ["clone"]=>
  string(%d) "Error: Trying to clone an uncloneable object of class FrankenPHP\WorkerHandle"
  ["serialize"]=>
  string(%d) "Exception: Serialization of 'FrankenPHP\WorkerHandle' is not allowed"
  ["property"]=>
  string(%d) "Error: Cannot create dynamic property FrankenPHP\WorkerHandle::$x"
  ["object in vars"]=>
  string(%d) "ValueError: frankenphp_set_vars(): $vars['a'][0] is an object of class stdClass%S"
  ["fresh stream"]=>
  bool(true)
}
the script ends
[true,false,false,null,false,true]
