<?php
// Output, errors and log messages: none of them belongs to a response.
echo "one line\nanother ";
echo "line\n";
echo $undefined;
frankenphp_log('logged', 4, ['id' => 5]);
error_log('by error_log');
frankenphp_set_vars(['ready' => true]);
fgets(frankenphp_get_worker_handle());
