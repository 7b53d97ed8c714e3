<?php

// The same as an HTTP worker. Each run answers ten requests and ends, so that what it kept has to go.

require_once __DIR__ . '/index.php';

for ($requests = 0; $requests < 10 && frankenphp_handle_request(answer_request(...)); $requests++) {
}
