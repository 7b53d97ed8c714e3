--TEST--
php --ri igor names the configuration and its workers
--FILE--
<?php
require __DIR__ . '/run.inc';

[$status, $output] = run_php('-d igor.config=' . escapeshellarg(__DIR__ . '/feed.Caddyfile') . ' --ri igor');
echo $status, $output;
?>
--EXPECTF--
0
igor

igor => enabled
Version => %d.%d.%d
PHP API => API%d,TS%S
Configuration => %s/module/feed.Caddyfile
Background worker feed (:0) => %s/module/feed.worker.php
Background worker silent (:0) => %s/module/silent.worker.php

Directive => Local Value => Master Value
igor.config => %s/module/feed.Caddyfile => %s/module/feed.Caddyfile
