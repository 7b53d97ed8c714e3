--TEST--
B49: workers that do not end are interrupted, and the exit status stays the script's
--SKIPIF--
<?php
if (PHP_SAPI === 'cli') die('skip a module cannot interrupt a blocking socket read, and module/stubborn_read.phpt tests what happens instead');
?>
--INI--
igor.config={PWD}/stubborn.Caddyfile
--FILE--
<?php
$config = __DIR__ . '/stubborn.Caddyfile';
$php = escapeshellarg(getenv('TEST_PHP_EXECUTABLE')) . ' -n -d igor.config=' . escapeshellarg($config);
foreach (['loop', 'sleep', 'select', 'read'] as $name) {
    $code = "frankenphp_require_background_worker('$name'); echo '$name'; exit(3);";
    $started = hrtime(true);
    exec("$php -r " . escapeshellarg($code) . ' 2>&1', $output, $status);
    $seconds = (hrtime(true) - $started) / 1e9;
    var_dump($status, $seconds >= 0.2, $seconds < 10);
}
var_dump($output);
?>
--EXPECT--
int(3)
bool(true)
bool(true)
int(3)
bool(true)
bool(true)
int(3)
bool(true)
bool(true)
int(3)
bool(true)
bool(true)
array(4) {
  [0]=>
  string(4) "loop"
  [1]=>
  string(5) "sleep"
  [2]=>
  string(6) "select"
  [3]=>
  string(4) "read"
}
