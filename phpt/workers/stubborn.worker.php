<?php
// Does not look at its handle.
frankenphp_set_vars(['ready' => true]);
match ($_SERVER['FRANKENPHP_WORKER_NAME']) {
    'loop' => (function () {
        while (true);
    })(),
    'sleep' => sleep(60),
    'select' => (function () {
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        $read = [$pair[0]];
        $none = null;
        stream_select($read, $none, $none, 60);
    })(),
    'read' => (function () {
        $pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
        fgets($pair[0]);
    })(),
};
echo "a loop may not go on after its interruption\n";
