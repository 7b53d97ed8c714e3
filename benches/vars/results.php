<?php

// Hands the publisher's measurements out, as soon as it has all of them.
set_time_limit(0);
frankenphp_ensure_background_worker('publish', 300);
while (!isset(frankenphp_get_vars('publish')['rounds'])) {
    usleep(50_000);
}
echo json_encode(frankenphp_get_vars('publish')['rounds']);
