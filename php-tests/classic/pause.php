<?php

// Prints and flushes `first`, waits until the file `go` is there, and prints `second`; `finish` ends the response in
// between. Leaves the file `done` behind.

/** Gives up after a while, so that a failing test does not leave a script behind that never ends. */
function wait_for_file(string $path): void
{
    for ($look = 0; $look < 6000 && !file_exists($path); $look++) {
        usleep(5000);
        clearstatcache();
    }
}

$dir = getenv('DIR');
echo 'first';
if (isset($_GET['finish'])) {
    fastcgi_finish_request();
} else {
    flush();
}
touch("$dir/waiting");
wait_for_file("$dir/go");
echo 'second';
touch("$dir/done");
