<?php
/* Publishes nothing. */
fgets(frankenphp_get_worker_handle());
