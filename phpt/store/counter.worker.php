<?php
// Four threads count until the test stops them, and then wait for their end.
$store = new FrankenPHP\SharedArray();
while (($goal = $store->get('goal')) === null) {
    usleep(1000);
}
for ($i = 0; $i < $goal; $i++) {
    $store->increment('count');
}
$store->increment('ended');
$read = [frankenphp_get_worker_handle()];
$none = null;
stream_select($read, $none, $none, null);
