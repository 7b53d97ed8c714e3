--TEST--
igor-php-cgi: a body that PHP leaves to the script
--PUT--
Content-Type: application/json
{"a": 1}
--FILE--
<?php
var_dump($_SERVER['REQUEST_METHOD'], $_SERVER['CONTENT_TYPE'], $_POST, json_decode(file_get_contents('php://input'), true));
?>
--EXPECT--
string(3) "PUT"
string(16) "application/json"
array(0) {
}
array(1) {
  ["a"]=>
  int(1)
}
