<?php

// A snapshot of 1,000 elements, for as long as the server runs.
$records = [];
for ($i = 0; $i < 1000; $i++) {
    $records["key-$i"] = ['number' => $i, 'name' => "element $i"];
}
frankenphp_set_vars($records);
$read = [frankenphp_get_worker_handle()];
$write = $except = null;
stream_select($read, $write, $except, null);
