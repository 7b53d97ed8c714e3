--TEST--
B49: where a worker cannot be interrupted the process ends without it, in bounded time, and the exit status stays the script's
--SKIPIF--
<?php
if (getenv('USE_ZEND_ALLOC') === '0') die('skip the process ends under a script that hangs and frees nothing of it, which a memory checker would report');
?>
--FILE--
<?php
require __DIR__ . '/run.inc';

$config = __DIR__ . '/../workers/stubborn.Caddyfile';
// PHP waits for a socket again when a signal has interrupted that, and the poll() of the program is not ours. (It is where
// the module is compiled in.)
[$status, $output] = run_code($config, "frankenphp_require_background_worker('read'); exit(3);");
echo "read: $status\n";
$named = preg_match('/^igor: the PHP thread bg-read-0 could not be interrupted at \S+stubborn.worker.php:\d+; the process ends without it$/', $output);
var_dump($output === '' || $named === 1);
?>
--EXPECT--
read: 3
bool(true)
