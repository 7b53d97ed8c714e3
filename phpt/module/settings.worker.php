<?php
$names = ['precision', 'memory_limit', 'display_errors', 'max_execution_time'];
frankenphp_set_vars([
    ...array_combine($names, array_map(ini_get(...), $names)),
    // The administrator's setting wins.
    'set' => @ini_set('precision', '6'),
]);
fgets(frankenphp_get_worker_handle());
