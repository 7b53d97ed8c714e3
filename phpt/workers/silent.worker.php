<?php
// Never publishes.
fgets(frankenphp_get_worker_handle());
