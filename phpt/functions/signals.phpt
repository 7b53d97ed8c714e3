--TEST--
Signals to the process reach the thread of the script, also beside a background worker
--EXTENSIONS--
pcntl
posix
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/steps.inc';

$perform = steps(['nothing' => fn () => 'performed']);
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, function (int $signal) {
    echo 'caught ', $signal === SIGUSR1 ? 'SIGUSR1' : $signal, "\n";
});
for ($i = 0; $i < 3; $i++) {
    posix_kill(getmypid(), SIGUSR1);
    echo $perform('nothing'), "\n";
}
pcntl_async_signals(false);
posix_kill(getmypid(), SIGUSR1);
echo "before the dispatch\n";
pcntl_signal_dispatch();
?>
--EXPECT--
caught SIGUSR1
performed
caught SIGUSR1
performed
caught SIGUSR1
performed
before the dispatch
caught SIGUSR1
