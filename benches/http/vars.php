<?php echo 'Hello, world', frankenphp_get_vars('publish')['key-999']['number'] === 999 ? '' : '?';
