<?php
// Checks every property of the object, and prints how it ends.
$wrong = function (Closure $call): string {
    try {
        $call();
        return 'nothing thrown';
    } catch (Throwable $error) {
        return $error::class . ': ' . $error->getMessage();
    }
};
$descriptors = fn () => count(scandir('/proc/self/fd'));
$before = $_SERVER['FRANKENPHP_WORKER_BACKGROUND'];
$handle = new FrankenPHP\WorkerHandle();
$told = ['flag before' => $before, 'flag' => $_SERVER['FRANKENPHP_WORKER_BACKGROUND']];
$stream = $handle->getStream();
$read = [$stream];
$none = null;
$told['readable at the start'] = stream_select($read, $none, $none, 0);
$lost = $descriptors();
for ($i = 0; $i < 100; $i++) {
    $another = new FrankenPHP\WorkerHandle();
    fclose($another->getStream());
    fclose($another->getStream());
    unset($another);
}
$lost = $descriptors() - $lost;
$read = [$stream];
$told += [
    'ticks' => [$handle->tick(), $handle->tick()],
    'no task' => $handle->receive(),
    'one stream' => $handle->getStream() === $stream,
    'type' => get_resource_type($stream),
    'readable' => stream_select($read, $none, $none, 0),
    'at its end' => feof($stream),
    'descriptors lost' => $lost,
    'clone' => $wrong(fn () => clone $handle),
    'serialize' => $wrong(fn () => serialize($handle)),
    'property' => $wrong(fn () => $handle->x = 1),
    'object in vars' => $wrong(fn () => $handle->setVars(['a' => [new stdClass]])),
];
fclose($stream);
$told['fresh stream'] = is_resource($handle->getStream());
// Both conventions can be used together.
$function = frankenphp_get_worker_handle();
$handle->setVars($told);
$read = [$handle->getStream()];
stream_select($read, $none, $none, null);
$end = [feof($handle->getStream()), $handle->tick(), $handle->tick(), $handle->receive(), fgets($function), feof($function)];
file_put_contents('php://stdout', json_encode($end) . "\n");
