<?php

frankenphp_ensure_background_worker(['feed:rates', 'feed:flags'], 5.0);
header('Content-Type: application/json');
echo json_encode(frankenphp_get_vars(['feed:rates', 'feed:flags']));
