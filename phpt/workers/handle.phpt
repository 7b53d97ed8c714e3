--TEST--
B38, B39: the handle of a worker is a stream that reaches its end on shutdown
--INI--
igor.config={PWD}/handle.Caddyfile
--FILE--
<?php
frankenphp_require_background_worker('handle');
var_dump(frankenphp_get_vars('handle'));
echo "the script ends\n";
?>
--EXPECT--
array(7) {
  ["type"]=>
  string(6) "stream"
  ["mode"]=>
  string(2) "rb"
  ["readable now"]=>
  int(0)
  ["read now"]=>
  bool(false)
  ["at its end now"]=>
  bool(false)
  ["different"]=>
  bool(true)
  ["descriptors lost"]=>
  int(0)
}
the script ends
[2,false,true,false,true,""]
