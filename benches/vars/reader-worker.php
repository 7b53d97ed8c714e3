<?php

// The same in a long-lived script.
const HTTP_WORKER = true;
require __DIR__ . '/reader.php';

while (frankenphp_handle_request(read_when_told(...))) {
}
