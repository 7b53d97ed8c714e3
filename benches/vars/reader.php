<?php

// Reads when it is asked to, by a line on the socket of commanded.php, and keeps a string of every version that it saw.
function read_when_told(): void
{
    static $kept = [];

    $socket = stream_socket_client('unix://' . $_GET['socket']);
    if (isset($_GET['read'])) {
        $kept[] = frankenphp_get_vars('commanded')['record-0']['name'];
    }
    fwrite($socket, "reader\n");
    while (fgets($socket) === "read\n") {
        $vars = frankenphp_get_vars('commanded');
        $kept[] = $vars['record-' . count($kept)]['name'];
        unset($vars);
        fwrite($socket, "read\n");
    }
    echo json_encode(['kept' => count($kept), 'bytes' => igor_bench_snapshot_bytes('commanded')]);
}

frankenphp_ensure_background_worker('commanded');
if (!defined('HTTP_WORKER')) {
    read_when_told();
}
