--TEST--
igor-php-cgi: a request with a query reads what a background worker published
--GET--
name=feed
--INI--
igor.config={PWD}/../workers/basic.Caddyfile
--FILE--
<?php
frankenphp_require_background_worker($_GET['name']);
var_dump(frankenphp_get_vars($_GET['name']), basename(ini_get('igor.config')));
?>
--EXPECT--
array(1) {
  ["name"]=>
  string(4) "feed"
}
string(15) "basic.Caddyfile"
