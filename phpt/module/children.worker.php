<?php
/* Publishes the signals that it blocks, and those that the programs it starts block. */
$mask = fn (string $status) => preg_match('/^SigBlk:\s*([0-9a-f]+)/m', $status, $match) ? $match[1] : 'unknown';
$own = fn () => $mask(file_get_contents('/proc/thread-self/status'));
$command = 'cat /proc/self/status';

$masks = ['the worker' => $own()];
$masks['shell_exec()'] = $mask(shell_exec($command));
exec($command, $lines);
$masks['exec()'] = $mask(implode("\n", $lines));
$process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
$masks['proc_open()'] = $mask(stream_get_contents($pipes[1]));
proc_close($process);
$closure = popen(...);
$masks['popen() as a closure'] = $mask(stream_get_contents($closure($command, 'r')));

$pair = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
if (($child = pcntl_fork()) === 0) {
    // PHP has cached the target that /proc/thread-self had in its parent.
    fwrite($pair[0], $mask(file_get_contents('/proc/' . getmypid() . '/status')) . "\n");
    exit(0);
}
$masks['a forked child'] = trim(fgets($pair[1]));
pcntl_waitpid($child, $status);
$masks['the worker again'] = $own();
frankenphp_set_vars($masks);
fgets(frankenphp_get_worker_handle());
