--TEST--
B14: every function checks its arguments before it does anything
--FILE--
<?php
set_error_handler(function (int $type, string $message) {
    echo "deprecated: $message\n";
});

function attempt(string $function, mixed ...$arguments): void
{
    try {
        $function(...$arguments);
        echo "$function: no error\n";
    } catch (Throwable $error) {
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
ArgumentCountError: frankenphp_get_worker_handle() expects exactly 0 arguments, 1 given
ArgumentCountError: frankenphp_require_background_worker() expects at least 1 argument, 0 given
TypeError: frankenphp_require_background_worker(): Argument #1 ($name) must be of type string, array given
deprecated: frankenphp_require_background_worker(): Passing null to parameter #1 ($name) of type string is deprecated
ValueError: frankenphp_require_background_worker(): Argument #1 ($name) must not be empty
ValueError: frankenphp_require_background_worker(): Argument #1 ($name) must not be empty
ValueError: frankenphp_require_background_worker(): Argument #1 ($name) must not contain any null bytes
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
TypeError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be of type float, string given
deprecated: frankenphp_require_background_worker(): Passing null to parameter #2 ($timeout) of type float is deprecated
ValueError: frankenphp_require_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ArgumentCountError: frankenphp_require_background_worker() expects at most 2 arguments, 3 given
ArgumentCountError: frankenphp_ensure_background_worker() expects at least 1 argument, 0 given
deprecated: frankenphp_ensure_background_worker(): Passing null to parameter #1 ($name) of type array|string is deprecated
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not be empty
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not be empty
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not contain any null bytes
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not be an empty array
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not be empty
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not contain any null bytes
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not name a background worker twice ("a")
TypeError: frankenphp_ensure_background_worker(): Argument #1 ($name) must be a string or an array of strings, array with a value of type int given
TypeError: frankenphp_ensure_background_worker(): Argument #1 ($name) must be a string or an array of strings, array with a value of type null given
TypeError: frankenphp_ensure_background_worker(): Argument #1 ($name) must be a string or an array of strings, array with a value of type array given
TypeError: frankenphp_ensure_background_worker(): Argument #1 ($name) must be a string or an array of strings, array with a value of type stdClass given
ValueError: frankenphp_ensure_background_worker(): Argument #1 ($name) must not name a background worker twice ("a")
ValueError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
ValueError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be a finite number of seconds greater than 0
TypeError: frankenphp_ensure_background_worker(): Argument #2 ($timeout) must be of type ?float, string given
ArgumentCountError: frankenphp_ensure_background_worker() expects at most 2 arguments, 3 given
ArgumentCountError: frankenphp_set_vars() expects exactly 1 argument, 0 given
TypeError: frankenphp_set_vars(): Argument #1 ($vars) must be of type array, null given
TypeError: frankenphp_set_vars(): Argument #1 ($vars) must be of type array, string given
TypeError: frankenphp_set_vars(): Argument #1 ($vars) must be of type array, ArrayObject given
ArgumentCountError: frankenphp_set_vars() expects exactly 1 argument, 2 given
ArgumentCountError: frankenphp_get_vars() expects exactly 1 argument, 0 given
deprecated: frankenphp_get_vars(): Passing null to parameter #1 ($name) of type array|string is deprecated
RuntimeException: background worker "" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name  }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
TypeError: frankenphp_get_vars(): Argument #1 ($name) must be of type array|string, stdClass given
RuntimeException: background worker "a" is not declared in scope "global" (no background workers are declared there); declare it with `worker { file … background name a }` in the php_server block or in the global frankenphp block, or declare a worker without a name as catch-all
TypeError: frankenphp_get_vars(): Argument #1 ($name) must be a string or an array of strings, array with a value of type null given
ArgumentCountError: frankenphp_get_vars() expects exactly 1 argument, 2 given
ArgumentCountError: frankenphp_handle_request() expects exactly 1 argument, 0 given
TypeError: frankenphp_handle_request(): Argument #1 ($callback) must be a valid callback, no array or string given
TypeError: frankenphp_handle_request(): Argument #1 ($callback) must be a valid callback, function "no_such_function" not found or invalid function name
ArgumentCountError: frankenphp_handle_request() expects exactly 1 argument, 2 given
ArgumentCountError: frankenphp_finish_request() expects exactly 0 arguments, 1 given
ArgumentCountError: fastcgi_finish_request() expects exactly 0 arguments, 1 given
TypeError: headers_send(): Argument #1 ($status) must be of type int, string given
TypeError: headers_send(): Argument #1 ($status) must be of type int, array given
ArgumentCountError: headers_send() expects at most 1 argument, 2 given
ArgumentCountError: frankenphp_request_headers() expects exactly 0 arguments, 1 given
ArgumentCountError: apache_request_headers() expects exactly 0 arguments, 1 given
ArgumentCountError: getallheaders() expects exactly 0 arguments, 1 given
ArgumentCountError: frankenphp_response_headers() expects exactly 0 arguments, 1 given
ArgumentCountError: apache_response_headers() expects exactly 0 arguments, 1 given
ArgumentCountError: frankenphp_log() expects at least 1 argument, 0 given
TypeError: frankenphp_log(): Argument #1 ($message) must be of type string, array given
TypeError: frankenphp_log(): Argument #2 ($level) must be of type int, string given
TypeError: frankenphp_log(): Argument #3 ($context) must be of type array, string given
ArgumentCountError: frankenphp_log() expects at most 3 arguments, 4 given
