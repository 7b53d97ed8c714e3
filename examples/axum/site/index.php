<?php

header('Content-Type: text/plain');
frankenphp_require_background_worker('clock');
printf("from PHP, for %s, at %s\n", $_SERVER['REMOTE_ADDR'], frankenphp_get_vars('clock')['time']);
