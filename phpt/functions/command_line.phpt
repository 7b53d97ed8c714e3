--TEST--
The arguments and streams of igor-php
--INI--
precision=5
error_prepend_string="<i>"
--ARGS--
one -d two --three "four words"
--STDIN--
a line
another
--FILE--
<?php
var_dump(array_slice($argv, 1), $argc, $_SERVER['argv'] === $argv, $argv[0] === __FILE__, $_SERVER['SCRIPT_NAME'] === __FILE__);
var_dump(PHP_SAPI, basename(PHP_BINARY), 1 / 3, ini_get('error_prepend_string'), ini_get('igor.config'));
var_dump(fgets(STDIN), stream_get_contents(fopen('php://stdin', 'r')), file_get_contents('php://input'));
fwrite(STDOUT, "written\n");

$php = getenv('TEST_PHP_EXECUTABLE_ESCAPED') . ' -n';
$run = function (string $arguments, string $input = '') use ($php): void {
    $process = proc_open("$php $arguments", [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
    fwrite($pipes[0], $input);
    fclose($pipes[0]);
    echo trim(stream_get_contents($pipes[1]) . stream_get_contents($pipes[2])), "\n", proc_close($process), "\n";
};
$run('', "#!/usr/bin/env php\n<?php echo basename(\$argv[0]), ' ', \$argc; exit(3);");
$run('-- a b', '<?php echo implode(" ", $argv);');
$run("-r 'echo implode(\" \", \$argv); exit(\"text\");' a -b");
$run("-d precision=3 -d date.timezone=Europe/Berlin -r 'echo 1 / 3, date_default_timezone_get();'");
$run("-r 'throw new DomainException(\"no\");'");
$run("-r 'trigger_error(\"logged\");' -- ");
$run("-d display_errors=0 -d log_errors=1 -r 'trigger_error(\"logged\");'");
$run('no_such_file.php');
$run('--no-such-option');
$run('-d');
$run('-d igor.config=no/such/Caddyfile -r 1;');
$run("-v");
?>
--EXPECTF--
x
