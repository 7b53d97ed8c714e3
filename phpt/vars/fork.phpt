--TEST--
N25: a child reads what its parent read; its end is its own
--EXTENSIONS--
pcntl
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$publish = steps(['publish' => fn () => frankenphp_set_vars(['list' => range(1, 1000), 'text' => 'published'])]);
$publish('publish');
$before = published();
register_shutdown_function(function () use (&$process) {
    echo $process === 0 ? 'child' : 'parent', " shuts down\n";
});
$process = pcntl_fork();
if ($process === 0) {
    $again = published();
    $again['list'][] = 'changed';
    echo $before['text'], ' ', count($before['list']), ' ', count($again['list']), "\n";
    unset($before);
    exit(5);
}
pcntl_waitpid($process, $status);
var_dump(pcntl_wifexited($status), pcntl_wexitstatus($status));
var_dump($before === published(), array_sum($before['list']));
?>
--EXPECT--
published 1000 1001
child shuts down
bool(true)
int(5)
bool(true)
int(500500)
parent shuts down
