--TEST--
igor-php-cgi: a form, beside a query
--GET--
q=0
--POST--
a=1&b[x]=2
--FILE--
<?php
var_dump($_POST, $_GET, file_get_contents('php://input'), getallheaders()['Content-Length']);
?>
--EXPECT--
array(2) {
  ["a"]=>
  string(1) "1"
  ["b"]=>
  array(1) {
    ["x"]=>
    string(1) "2"
  }
}
array(1) {
  ["q"]=>
  string(1) "0"
}
string(10) "a=1&b[x]=2"
string(2) "10"
