<?php
// Is ready without ever publishing.
$handle = new FrankenPHP\WorkerHandle();
while ($handle->tick()) {
    $read = [$handle->getStream()];
    $none = null;
    stream_select($read, $none, $none, null);
}
