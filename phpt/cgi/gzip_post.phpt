--TEST--
igor-php-cgi: a compressed form
--EXTENSIONS--
zlib
--GZIP_POST--
a=1
--FILE--
<?php
var_dump($_SERVER['HTTP_CONTENT_ENCODING'], gzdecode(file_get_contents('php://input')));
?>
--EXPECT--
string(4) "gzip"
string(3) "a=1"
