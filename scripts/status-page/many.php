<?php
// One of many workers that publish once.
frankenphp_set_vars(['name' => $_SERVER['FRANKENPHP_WORKER_NAME']]);
fgets(frankenphp_get_worker_handle());
