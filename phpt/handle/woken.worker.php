<?php
// Ticks only once it is woken, as a script of an event loop.
$handle = new FrankenPHP\WorkerHandle();
do {
    $read = [$handle->getStream()];
    $none = null;
    stream_select($read, $none, $none, null);
} while ($handle->tick());
