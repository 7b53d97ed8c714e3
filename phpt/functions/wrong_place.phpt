--TEST--
B25, B31, B40: functions called where they do not belong
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$perform = steps([
    'handle_request' => fn () => frankenphp_handle_request(fn () => print('called')),
    'finish_request' => frankenphp_finish_request(...),
    'request headers' => frankenphp_request_headers(...),
    'response headers' => frankenphp_response_headers(...),
    'headers_send' => fn () => headers_send(103),
    'log' => fn () => frankenphp_log('from the worker', 0, ['a' => 1]),
]);
echo "In a request:\n";
var_dump(perform(fn () => frankenphp_set_vars(['a' => 1])));
var_dump(perform(frankenphp_get_worker_handle(...)));
var_dump(perform(fn () => frankenphp_handle_request(fn () => print('called'))));
var_dump(getallheaders());

echo "In a background worker:\n";
foreach (['handle_request', 'finish_request', 'request headers', 'response headers', 'headers_send', 'log'] as $step) {
    echo $step, ': ', json_encode($perform($step)), "\n";
}
?>
--EXPECT--
x
