--TEST--
B17: a script for which no background worker is declared
--FILE--
<?php
$calls = [
    fn () => frankenphp_require_background_worker('feed'),
    fn () => frankenphp_ensure_background_worker('feed'),
    fn () => frankenphp_ensure_background_worker(['feed', 'prices'], 0.5),
    fn () => frankenphp_get_vars('feed'),
    fn () => frankenphp_get_vars(['feed']),
    fn () => frankenphp_get_vars(''),
    fn () => frankenphp_get_vars("\xff\0"),
];
foreach ($calls as $call) {
    try {
        var_dump($call());
    } catch (RuntimeException $error) {
        echo $error->getMessage(), "\n";
    }
}
var_dump(frankenphp_get_vars([]));
?>
--EXPECT--
x
