<?php

frankenphp_require_background_worker('settings', 5.0);
header('Content-Type: application/json');
echo json_encode(frankenphp_get_vars('settings'), JSON_FORCE_OBJECT);
