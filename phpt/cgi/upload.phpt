--TEST--
igor-php-cgi: a file in a form
--POST_RAW--
Content-Type: multipart/form-data; boundary=limit
--limit
Content-Disposition: form-data; name="field"

value
--limit
Content-Disposition: form-data; name="file"; filename="name.txt"
Content-Type: text/plain

content
--limit--
--FILE--
<?php
$file = $_FILES['file'];
var_dump($_POST, $file['name'], $file['size'], is_uploaded_file($file['tmp_name']), file_get_contents($file['tmp_name']));
?>
--EXPECT--
array(1) {
  ["field"]=>
  string(5) "value"
}
string(8) "name.txt"
int(7)
bool(true)
string(7) "content"
