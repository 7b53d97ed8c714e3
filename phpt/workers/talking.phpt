--TEST--
B42: what a worker prints and logs goes to the log, with its name
--INI--
igor.config={PWD}/talking.Caddyfile
--FILE--
<?php
$config = escapeshellarg(__DIR__ . '/talking.Caddyfile');
$code = escapeshellarg("frankenphp_require_background_worker('talking'); echo 'the script';");
$php = escapeshellarg(getenv('TEST_PHP_EXECUTABLE')) . ' ' . getenv('TEST_PHP_EXTRA_ARGS');
$command = "$php -d log_errors=1 -d display_errors=0 -d igor.config=$config -r $code";

exec("$command 2>&1", $quiet);
var_dump($quiet);

putenv('IGOR_LOG=php=info');
exec("$command 2>&1 >/dev/null", $log);
foreach ($log as $record) {
    echo preg_replace('/^\S+ +/', '', $record), "\n";
}
?>
--EXPECTF--
array(1) {
  [0]=>
  string(10) "the script"
}
INFO php: one line worker="talking" scope=":0" thread=0 run=1
INFO php: another line worker="talking" scope=":0" thread=0 run=1
WARN php: PHP Warning:  Undefined variable $undefined in %s/workers/talking.worker.php on line 5 worker="talking" scope=":0" thread=0 run=1
WARN php: logged {"id":5} worker="talking" scope=":0" thread=0 run=1
INFO php: by error_log worker="talking" scope=":0" thread=0 run=1
