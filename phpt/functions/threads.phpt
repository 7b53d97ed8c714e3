--TEST--
--threads runs a script on several threads at once and tells when they differ
--FILE--
<?php
require __DIR__ . '/../include/checked.inc';

$php = escapeshellarg(getenv('TEST_PHP_EXECUTABLE')) . ' -n';
$run = function (string $arguments, array $environment = [], string $input = '') use ($php): void {
    $process = proc_open("$php $arguments", [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes, __DIR__, checked($environment));
    fwrite($pipes[0], $input);
    fclose($pipes[0]);
    echo stream_get_contents($pipes[1]), stream_get_contents($pipes[2]), "\n= ", proc_close($process), "\n";
};
$alike = '-r "echo array_sum(range(1, 1000)), PHP_EOL; trigger_error(\'once\'); exit(3);"';
$run("--threads 8 $alike");
$run($alike, ['IGOR_PHP_THREADS' => '8']);
$run("--threads=1 $alike", ['IGOR_PHP_THREADS' => 'many']);

// Only the first of them can make the folder.
$directory = sys_get_temp_dir() . '/igor-threads-' . getmypid();
$first = escapeshellarg("echo \"before\\n\", @mkdir('$directory') ? 'first' : 'late', \"\\nafter\\n\";");
$run("--threads 8 -r $first");
rmdir($directory);
$first = escapeshellarg("echo 'same'; exit(@mkdir('$directory') ? 0 : 4);");
$run("--threads 2 -r $first");
rmdir($directory);

$run('--threads 2', [], '<?php echo 1;');
$run('--threads 0 -r 1;');
$run('-r 1;', ['IGOR_PHP_THREADS' => 'many']);
?>
--EXPECTREGEX--
(?s)500500

Notice: once in Command line code on line 1

= 3
500500

Notice: once in Command line code on line 1

= 3
500500

Notice: once in Command line code on line 1

= 3
before
(first|late)
after
igor-php: the script ended differently on (7|1) of 8 threads than on thread 1
--- thread 1
\+\+\+ thread [2-8]
@@ line 2 @@
-(first|late)
\+(first|late)

= 1
sameigor-php: the script ended differently on 1 of 2 threads than on thread 1
exit status [04] on thread 1, [04] on thread 2

= 1
igor-php: running the script on 2 threads: the script on the standard input can be read only once; give a file or -r

= 1
igor-php: --threads: 0 is no number of threads from 1 to 256

= 1
igor-php: IGOR_PHP_THREADS: many is no number of threads from 1 to 256

= 1
