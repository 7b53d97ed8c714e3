<?php
// Publishes its environment.
static $runs_of_this_request = 0;
function from_function(): array
{
    global $argv;
    return $argv;
}
$keys = ['FRANKENPHP_WORKER', 'FRANKENPHP_WORKER_NAME', 'FRANKENPHP_WORKER_BACKGROUND', 'OF_BLOCK', 'OF_WORKER', 'OF_BOTH',
    'IGOR_PHPT', 'argv', 'argc', 'SCRIPT_FILENAME', 'PHP_SELF'];
frankenphp_set_vars([
    'server' => array_intersect_key($_SERVER, array_flip($keys)),
    'argv' => [$argv, $argc, from_function()],
    'getenv' => array_map(getenv(...), ['OF_BLOCK', 'OF_WORKER', 'OF_BOTH', 'IGOR_PHPT', 'FRANKENPHP_WORKER_NAME', 'NO_SUCH']),
    'limits' => [ini_get('max_execution_time'), connection_aborted(), ignore_user_abort()],
    'sapi' => PHP_SAPI,
    'directory' => getcwd(),
    'superglobals' => [$_GET, $_POST, $_COOKIE, $_FILES, $_REQUEST],
    'time' => time() - $_SERVER['REQUEST_TIME'] < 60,
    'runs' => ++$runs_of_this_request,
]);
fgets(frankenphp_get_worker_handle());
