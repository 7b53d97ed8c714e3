--TEST--
A configuration that cannot be used ends the start of PHP, and says why
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip a memory checker wants to see everything freed, which PHP does not do when a module refuses');
?>
--FILE--
<?php
require __DIR__ . '/run.inc';

foreach (['missing.Caddyfile', 'wrong.Caddyfile'] as $config) {
    [$status, $output] = run_code(__DIR__ . "/$config", 'echo "the script runs";');
    echo "$config: $status\n$output\n";
}
?>
--EXPECTF--
missing.Caddyfile: 254
%AWarning: igor: reading %s/missing.Caddyfile: the configuration has errors
%s/missing.Caddyfile:1:1: cannot read the configuration: %s in Unknown on line 0

%AFatal error: Unable to start igor module in Unknown on line 0
wrong.Caddyfile: 254
%AWarning: igor: reading %s/wrong.Caddyfile: the configuration has errors
%s/wrong.Caddyfile:3:3: %s
%AFatal error: Unable to start igor module in Unknown on line 0
