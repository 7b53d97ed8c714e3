<?php

echo json_encode(frankenphp_get_vars('settings'));
