<?php echo 'hello, ', isset($_GET['read']) ? frankenphp_get_vars('named-1')['version'] > 0 : 'world';
