<?php
// Computes the value that the test waits for; the first attempt fails.
$store = new FrankenPHP\SharedArray('other');
while ($store->get('compute') === null) {
    usleep(1000);
}
try {
    $store->compute('slow', function () use ($store) {
        $store['computing'] = true;
        while (!isset($store['waited'])) {
            usleep(1000);
        }
        throw new DomainException('not today');
    });
} catch (DomainException $error) {
    $store['failed'] = $error->getMessage();
}
$store->compute('shared', function () use ($store) {
    $store['computing shared'] = true;
    while (!isset($store['go on'])) {
        usleep(1000);
    }
    return ['by' => 'the worker'];
});
$read = [frankenphp_get_worker_handle()];
$none = null;
stream_select($read, $none, $none, null);
