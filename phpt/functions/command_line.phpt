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
var_dump(PHP_SAPI, basename(PHP_BINARY), (string) (1 / 3), ini_get('error_prepend_string'), ini_get('igor.config'));
var_dump(fgets(STDIN), stream_get_contents(fopen('php://stdin', 'r')), file_get_contents('php://input'));
fwrite(STDOUT, "written\n");

$php = escapeshellarg(getenv('TEST_PHP_EXECUTABLE')) . ' -n';
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
array(5) {
  [0]=>
  string(3) "one"
  [1]=>
  string(2) "-d"
  [2]=>
  string(3) "two"
  [3]=>
  string(7) "--three"
  [4]=>
  string(10) "four words"
}
int(6)
bool(true)
bool(true)
bool(true)
string(10) "frankenphp"
string(8) "igor-php"
string(7) "0.33333"
string(3) "<i>"
string(0) ""
string(7) "a line
"
string(0) ""
string(0) ""
written
Standard input code 1
3
Standard input code a b
0
Standard input code a -btext
0
0.333Europe/Berlin
0
Fatal error: Uncaught DomainException: no in Command line code:1
Stack trace:
#0 {main}
  thrown in Command line code on line 1
255
Notice: logged in Command line code on line 1
0
PHP Notice:  logged in Command line code on line 1
0
igor-php: opening the script no_such_file.php: there is no such file
1
igor-php: there is no option --no-such-option; -h lists the options
1
igor-php: the option -d needs a value
1
igor-php: the configuration has errors
no/such/Caddyfile:1:1: cannot read the configuration: No such file or directory (os error 2)
1
PHP %s (frankenphp) (ZTS%S)
Zend Engine v%s
0
