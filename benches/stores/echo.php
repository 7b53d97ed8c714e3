<?php

// Returns the payload of every task.
$handle = new FrankenPHP\WorkerHandle();
$stream = $handle->getStream();
while ($handle->tick()) {
    while ($task = $handle->receive()) {
        $task->complete($task->getPayload());
    }
    $read = [$stream];
    $write = $except = null;
    stream_select($read, $write, $except, null);
}
