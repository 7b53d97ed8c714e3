--TEST--
B49: workers that do not end are interrupted, and the exit status stays the script's
--FILE--
<?php
require __DIR__ . '/run.inc';

$config = __DIR__ . '/../workers/stubborn.Caddyfile';
foreach (['loop', 'sleep', 'select'] as $name) {
    [$status, $output] = run_code($config, "frankenphp_require_background_worker('$name'); exit(3);");
    echo "$name: $status $output\n";
}
?>
--EXPECT--
loop: 3 
sleep: 3 
select: 3 
