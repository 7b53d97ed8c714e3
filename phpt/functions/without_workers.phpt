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
background worker "feed" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name feed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
background worker "feed" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name feed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
background worker "feed" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name feed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
background worker "feed" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name feed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
background worker "feed" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name feed }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
array(0) {
}
