<?php
// Checks every property of its handle, and prints how it ends.
$first = frankenphp_get_worker_handle();
$meta = stream_get_meta_data($first);
$descriptors = fn () => count(scandir('/proc/self/fd'));
fclose(frankenphp_get_worker_handle());
$before = $descriptors();
for ($i = 0; $i < 200; $i++) {
    $another = frankenphp_get_worker_handle();
    fclose($another);
}
$grown = $descriptors() - $before;
$second = frankenphp_get_worker_handle();
stream_set_blocking($second, false);
$read = [$first, $second];
$none = null;
frankenphp_set_vars([
    'type' => get_resource_type($first),
    'mode' => $meta['mode'],
    'readable now' => stream_select($read, $none, $none, 0),
    'read now' => fgets($second),
    'at its end now' => feof($second),
    'different' => (int) $first !== (int) $second,
    'descriptors lost' => $grown,
]);
fclose($first);
stream_set_blocking($second, true);
$third = frankenphp_get_worker_handle();
$read = [$second, $third];
$ready = stream_select($read, $none, $none, null);
file_put_contents('php://stdout', json_encode([$ready, fgets($second), feof($second), fgets($third), feof($third),
    stream_get_contents(frankenphp_get_worker_handle())]) . "\n");
