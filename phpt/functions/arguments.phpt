--TEST--
B14: every function checks its arguments before it does anything
--FILE--
<?php
function attempt(string $function, mixed ...$arguments): void
{
    try {
        $function(...$arguments);
        echo "$function: no error\n";
    } catch (Error $error) {
        echo $error::class, ': ', $error->getMessage(), "\n";
    }
}

$calls = [
    'frankenphp_get_worker_handle' => [[1]],
    'frankenphp_require_background_worker' => [
        [], [[]], [null], [''], ["a\0b"], ['a', 0], ['a', -1], ['a', NAN], ['a', INF], ['a', -INF], ['a', '1s'], ['a', null],
        ['a', 1, 2],
    ],
    'frankenphp_ensure_background_worker' => [
        [], [null], [''], ["\0"], [[]], [['']], [['a', "b\0"]], [['a', 'b', 'a']], [['a', 1]], [['a', null]], [['a', ['b']]],
        [['a', new stdClass()]], [['x' => 'a', 'y' => 'a']], ['a', 0], ['a', -0.0], ['a', -1], ['a', NAN], ['a', INF],
        [['a'], 0], ['a', 'soon'], ['a', 1, 2],
    ],
    'frankenphp_set_vars' => [[], [null], ['a'], [new ArrayObject()], [[], 1]],
    'frankenphp_get_vars' => [[], [null], [new stdClass()], [['a', 1]], [[null]], ['a', 'b']],
    'frankenphp_handle_request' => [[], [null], ['no_such_function'], [fn () => 1, 2]],
    'frankenphp_finish_request' => [[1]],
    'fastcgi_finish_request' => [[1]],
    'headers_send' => [['103 Early Hints'], [[]], [200, 1]],
    'frankenphp_request_headers' => [[1]],
    'apache_request_headers' => [[1]],
    'getallheaders' => [[1]],
    'frankenphp_response_headers' => [[1]],
    'apache_response_headers' => [[1]],
    'frankenphp_log' => [[], [[]], ['message', 'high'], ['message', 0, 'context'], ['message', 0, [], 1]],
];
foreach ($calls as $function => $arguments) {
    foreach ($arguments as $list) {
        attempt($function, ...$list);
    }
}
?>
--EXPECT--
x
