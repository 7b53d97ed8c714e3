--TEST--
dl() is refused: it comes when the script has begun
--SKIPIF--
<?php
if (!preg_match('/extension=[^"\']*igor\.so/', getenv('TEST_PHP_EXTRA_ARGS') ?: '')) die('skip the module is compiled in, so there is nothing that dl() could load');
if (getenv('USE_ZEND_ALLOC') === '0') die('skip PHP itself keeps the freed name of a module that refused dl() in its list');
?>
--FILE--
<?php
preg_match('/extension=([^"\']*)\/igor\.so/', getenv('TEST_PHP_EXTRA_ARGS'), $match);
$folder = escapeshellarg($match[1]);
passthru(escapeshellarg(PHP_BINARY) . " -n -d extension_dir=$folder -r 'dl(\"igor.so\"); echo \"the script goes on\";' 2>&1");
?>
--EXPECTF--
%AWarning: igor: dl() cannot load this module; name it in php.ini, or by -d extension= in Command line code on line 1

%AFatal error: Unable to start igor module in Unknown on line 0
