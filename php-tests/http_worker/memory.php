<?php

// An HTTP worker whose requests use what PHP gives a request, and answer with the memory in use.

$handle = static function (): void {
    ini_set('precision', '5');
    session_start();
    $_SESSION['text'] = 'text';
    ob_start();
    echo str_repeat('x', 1000), file_get_contents('php://input'), file_get_contents($_FILES['file']['tmp_name']);
    ob_end_clean();
    header('X-Header: value');
    setcookie('cookie', 'value');
    register_shutdown_function(static fn () => strlen($_SERVER['REQUEST_URI']));
    set_time_limit(10);
    putenv('MEMORY=1');
    trigger_error('a notice', E_USER_NOTICE);
    $circle = new stdClass();
    $circle->self = $circle;
    unset($circle);
    gc_collect_cycles();
    echo memory_get_usage();
};

while (frankenphp_handle_request($handle)) {
}
