--TEST--
However the script ends, the workers end before the engine, and the exit status is the script's
--EXTENSIONS--
pcntl
posix
--FILE--
<?php
require __DIR__ . '/run.inc';

$left = __DIR__ . '/ends.left';
putenv("IGOR_PHPT_LEFT=$left");
$ways = [
    'at its end' => '',
    'exit' => 'exit(3);',
    'exit in a shutdown function' => 'register_shutdown_function(fn () => exit(4));',
    'exception' => 'throw new Exception("thrown");',
    'memory limit' => 'ini_set("memory_limit", "4M"); str_repeat("x", 1 << 27);',
    'time limit' => 'set_time_limit(1); while (true);',
    'error while compiling' => 'eval("class A implements NoSuchInterface {} {");',
    'handled signal' => 'pcntl_async_signals(true); pcntl_signal(SIGTERM, fn () => exit(5)); posix_kill(getmypid(), SIGTERM); while (true) usleep(1000);',
];
foreach ($ways as $way => $code) {
    [$status, $output] = run_code(__DIR__ . '/feed.Caddyfile', "frankenphp_require_background_worker('feed'); $code");
    preg_match('/(?<=Fatal error: |Parse error: ).*?(?= in )/', $output, $error);
    echo "$way: $status", file_exists($left) ? ', the worker has ended' : '', $error ? ", $error[0]" : '', "\n";
    @unlink($left);
}
?>
--CLEAN--
<?php
@unlink(__DIR__ . '/ends.left');
?>
--EXPECTF--
at its end: 0, the worker has ended
exit: 3, the worker has ended
exit in a shutdown function: 4, the worker has ended
exception: 255, the worker has ended, Uncaught Exception: thrown
memory limit: 255, the worker has ended, Allowed memory size of %d bytes exhausted %s
time limit: 255, the worker has ended, Maximum execution time of 1 second exceeded
error while compiling: 255, the worker has ended,%S
handled signal: 5, the worker has ended
