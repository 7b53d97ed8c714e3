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
--EXPECTF--
In a request:
string(81) "RuntimeException: frankenphp_set_vars() can only be called in a background worker"
string(90) "RuntimeException: frankenphp_get_worker_handle() can only be called in a background worker"
string(89) "RuntimeException: frankenphp_handle_request() can only be called in an HTTP worker script"
array(0) {
}
In a background worker:
handle_request: "RuntimeException: frankenphp_handle_request() cannot be called in a background worker: it serves no HTTP requests"
finish_request: false
request headers: []
response headers: {"X-Powered-By":"PHP\/%s"}
headers_send: 3
log: null
