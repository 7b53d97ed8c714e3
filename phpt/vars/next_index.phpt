--TEST--
N3 (B23): what the next [] does after negative keys, by version of PHP
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$publish = steps(['publish' => function () {
    $negative = [];
    $negative[-5] = 'minus';
    frankenphp_set_vars(['negative' => $negative, 'largest' => [PHP_INT_MAX => 1]]);
}]);
$publish('publish');
['negative' => $negative, 'largest' => $largest] = published();
$negative[] = 'next';
var_dump(array_key_last($negative) === (PHP_VERSION_ID >= 80300 ? -4 : 0));
try {
    $largest[] = 'next';
} catch (Error $error) {
    echo $error->getMessage(), "\n";
}
?>
--EXPECT--
bool(true)
Cannot add element to the array as the next element is already occupied
