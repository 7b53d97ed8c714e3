<?php

frankenphp_require_background_worker('flags', 5.0);
header('Content-Type: application/json');
echo json_encode(frankenphp_get_vars('flags'), JSON_FORCE_OBJECT | JSON_INVALID_UTF8_SUBSTITUTE);
