--TEST--
B42: what a worker prints and logs goes to the log, with its name
--INI--
igor.config={PWD}/talking.Caddyfile
--FILE--
<?php
$config = escapeshellarg(__DIR__ . '/talking.Caddyfile');
$code = escapeshellarg("frankenphp_require_background_worker('talking'); echo 'the script';");
$command = getenv('TEST_PHP_EXECUTABLE_ESCAPED') . " -n -d log_errors=1 -d display_errors=0 -d igor.config=$config -r $code";

exec("$command 2>&1", $quiet);
var_dump($quiet);

putenv('IGOR_LOG=php=info');
exec("$command 2>&1 >/dev/null", $log);
foreach ($log as $record) {
    echo preg_replace('/^\S+ +/', '', $record), "\n";
}
?>
--EXPECTF--
x
