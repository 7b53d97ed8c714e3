<?php echo 'Hello, ', $_GET['name'] ?? 'world', ' at ', $_SERVER['REQUEST_TIME'];
