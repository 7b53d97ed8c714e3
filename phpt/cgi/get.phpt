--TEST--
igor-php-cgi: a query, cookies, and the head of the response
--GET--
a=1&b[]=2&b[]=%C3%BC
--COOKIE--
c=3; d=four
--INI--
expose_php=1
--FILE--
<?php
header('X-Test: yes');
header('Content-Type: text/plain; charset=utf-8');
setcookie('e', '5');
var_dump($_GET, $_COOKIE, $_POST, PHP_SAPI, basename(PHP_BINARY), defined('STDIN'));
var_dump($_SERVER['REQUEST_METHOD'], $_SERVER['SCRIPT_FILENAME'] === __FILE__, getenv('QUERY_STRING'), getcwd() === __DIR__);
?>
--EXPECTHEADERS--
X-Test: yes
Content-Type: text/plain; charset=utf-8
Set-Cookie: e=5
--EXPECT--
array(2) {
  ["a"]=>
  string(1) "1"
  ["b"]=>
  array(2) {
    [0]=>
    string(1) "2"
    [1]=>
    string(2) "ü"
  }
}
array(2) {
  ["c"]=>
  string(1) "3"
  ["d"]=>
  string(4) "four"
}
array(0) {
}
string(10) "frankenphp"
string(12) "igor-php-cgi"
bool(false)
string(3) "GET"
bool(true)
string(20) "a=1&b[]=2&b[]=%C3%BC"
bool(true)
