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
// PHP waits for a socket again when a signal has interrupted that, and the poll() of the program is not ours. (It is where
// the module is compiled in.)
[$status, $output] = run_code($config, "frankenphp_require_background_worker('read'); exit(3);");
echo "read: $status\n";
$named = preg_match('/^igor: the PHP thread bg-read-0 could not be interrupted at \S+stubborn.worker.php:\d+; the process ends without it$/', $output);
var_dump($output === '' || $named === 1);
?>
--EXPECT--
loop: 3 
sleep: 3 
select: 3 
read: 3
bool(true)
