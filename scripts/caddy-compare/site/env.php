<?php
var_dump($_SERVER['APP_ENV'] ?? null, $_SERVER['FIXED'] ?? null, getenv('FIXED'));
