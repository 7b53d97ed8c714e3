--TEST--
B41, B42: what a background worker finds in its environment
--INI--
igor.config={PWD}/environment.Caddyfile
--ENV--
IGOR_PHPT=from outside
--FILE--
<?php
frankenphp_ensure_background_worker(['named', 'demanded/name 1']);
$named = frankenphp_get_vars('named');
ksort($named['server']);
var_dump($named);
$demanded = frankenphp_get_vars('demanded/name 1');
var_dump($demanded['server']['FRANKENPHP_WORKER_NAME'], $demanded['argv'][0][1]);
// The script's own environment is another.
var_dump(getenv('OF_WORKER'), $_SERVER['FRANKENPHP_WORKER'] ?? null, $_SERVER['FRANKENPHP_WORKER_BACKGROUND'] ?? null);
?>
--EXPECTF--
array(9) {
  ["server"]=>
  array(11) {
    ["FRANKENPHP_WORKER"]=>
    string(5) "named"
    ["FRANKENPHP_WORKER_BACKGROUND"]=>
    bool(true)
    ["FRANKENPHP_WORKER_NAME"]=>
    string(5) "named"
    ["IGOR_PHPT"]=>
    string(12) "from outside"
    ["OF_BLOCK"]=>
    string(5) "block"
    ["OF_BOTH"]=>
    string(6) "worker"
    ["OF_WORKER"]=>
    string(13) "of the worker"
    ["PHP_SELF"]=>
    string(%d) "%s/workers/environment.worker.php"
    ["SCRIPT_FILENAME"]=>
    string(%d) "%s/workers/environment.worker.php"
    ["argc"]=>
    int(2)
    ["argv"]=>
    array(2) {
      [0]=>
      string(%d) "%s/workers/environment.worker.php"
      [1]=>
      string(5) "named"
    }
  }
  ["argv"]=>
  array(3) {
    [0]=>
    array(2) {
      [0]=>
      string(%d) "%s/workers/environment.worker.php"
      [1]=>
      string(5) "named"
    }
    [1]=>
    int(2)
    [2]=>
    array(2) {
      [0]=>
      string(%d) "%s/workers/environment.worker.php"
      [1]=>
      string(5) "named"
    }
  }
  ["getenv"]=>
  array(6) {
    [0]=>
    string(5) "block"
    [1]=>
    string(13) "of the worker"
    [2]=>
    string(6) "worker"
    [3]=>
    string(12) "from outside"
    [4]=>
    string(5) "named"
    [5]=>
    bool(false)
  }
  ["limits"]=>
  array(3) {
    [0]=>
    string(1) "0"
    [1]=>
    int(0)
    [2]=>
    int(0)
  }
  ["sapi"]=>
  string(%d) "%s"
  ["directory"]=>
  string(%d) "%s/workers"
  ["superglobals"]=>
  array(5) {
    [0]=>
    array(0) {
    }
    [1]=>
    array(0) {
    }
    [2]=>
    array(0) {
    }
    [3]=>
    array(0) {
    }
    [4]=>
    array(0) {
    }
  }
  ["time"]=>
  bool(true)
  ["runs"]=>
  int(1)
}
string(15) "demanded/name 1"
string(15) "demanded/name 1"
bool(false)
NULL
NULL
