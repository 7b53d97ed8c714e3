<?php

frankenphp_require_background_worker('rates', 5.0);
header('Content-Type: application/json');
echo json_encode(frankenphp_get_vars('rates'));
