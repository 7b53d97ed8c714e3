<?php
// Becomes ready, but takes no tasks.
$handle = new FrankenPHP\WorkerHandle();
while ($handle->tick()) {
    usleep(10000);
}
