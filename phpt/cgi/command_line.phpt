--TEST--
igor-php-cgi: started from a shell
--SKIPIF--
<?php
if (!getenv('TEST_PHP_CGI_EXECUTABLE')) {
    die('skip there is no igor-php-cgi: TEST_PHP_CGI_EXECUTABLE is not set');
}
?>
--FILE--
<?php
require __DIR__ . '/../include/checked.inc';

$php = escapeshellarg(getenv('TEST_PHP_CGI_EXECUTABLE'));
$script = escapeshellarg(__DIR__ . '/shell.inc');
$run = function (string $arguments, string $input = '') use ($php): void {
    $process = proc_open("$php $arguments", [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes, '/', checked([]));
    fwrite($pipes[0], $input);
    fclose($pipes[0]);
    $output = stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]);
    echo preg_replace('/^X-Powered-By: .*\n/m', '', str_replace("\r", '', $output)), "\n= ", proc_close($process), "\n";
};
$run("-n $script a=1 b=2");
$run("-n -q -C $script a=1");
$run("-n -f $script -- a=1");
$run('-n -q', '<?php echo "from the standard input"; exit(3);');
$run('-n -d html_errors=1 -d error_log=/dev/null -q', "<?php echo \$undefined;");
$run('-n no_such_file.php');
$run('--no-such-option');
?>
--EXPECTF--
X-Script: shell
Content-type: text/html; charset=UTF-8

{"a":"1","b":"2"} ["%s","a=1","b=2"] own folder
= 4
{"a":"1"} ["%s","a=1"] /
= 4
{"a":"1"} ["%s","a=1"] own folder
= 4
from the standard input
= 3
<br />
<b>Warning</b>:  Undefined variable $undefined in <b>Standard input code</b> on line <b>1</b><br />

= 0
Status: 404 Not Found
Content-type: text/html; charset=UTF-8

No input file specified.

= 255
igor-php-cgi: there is no option --no-such-option; -h lists the options

= 1
