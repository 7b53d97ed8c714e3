<?php
// Is ready, and takes no tasks.
$handle = new FrankenPHP\WorkerHandle();
while ($handle->tick()) {
    usleep(10000);
}
