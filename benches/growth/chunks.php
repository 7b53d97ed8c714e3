<?php

// Writes as many bytes as asked for, one at a time.
for ($left = (int) $_GET['count']; $left > 0; $left--) {
    echo 'x';
    flush();
}
