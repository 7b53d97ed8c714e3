--TEST--
igor-php-cgi: the status is a header
--GET--
--FILE--
<?php
require __DIR__ . '/../include/checked.inc';

$php = escapeshellarg(getenv('TEST_PHP_CGI_EXECUTABLE')) . ' -n';
$script = __DIR__ . '/status.php';
$request = function (string $code, array $variables = [], string $input = '') use ($php, $script): void {
    file_put_contents($script, "<?php $code");
    $environment = $variables + ['REQUEST_METHOD' => 'GET', 'SCRIPT_FILENAME' => $script, 'REDIRECT_STATUS' => '200'];
    $process = proc_open($php, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes, null, checked($environment));
    fwrite($pipes[0], $input);
    fclose($pipes[0]);
    $output = stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]);
    echo preg_replace('/^X-Powered-By: .*\n/m', '', str_replace("\r", '', $output)), '= ', proc_close($process), "\n";
};
$request('echo "text";');
$request('http_response_code(404); echo "missing";');
$request('header("HTTP/1.1 418 Short and stout"); exit(3);');
$request('header("Status: 299 Own words"); http_response_code(299);');
$request('header("Location: /there");');
$request('http_response_code(299);');
$request('flush(); header("X-Late: no"); echo "a"; flush(); echo (int) headers_sent();');
$request('echo file_get_contents("php://input"), strlen(file_get_contents("php://stdin"));', [
    'REQUEST_METHOD' => 'POST', 'CONTENT_LENGTH' => '3', 'CONTENT_TYPE' => 'text/plain',
], 'body and more');
$request('throw new Exception("thrown");', ['SCRIPT_FILENAME' => __DIR__ . '/no_such_file.php']);
$request('echo $_SERVER["PHP_SELF"], " ", $_SERVER["PATH_INFO"], " ", $_SERVER["PHP_AUTH_USER"];', [
    'SCRIPT_FILENAME' => "$script/more", 'PATH_INFO' => '/status.php/more',
    'HTTP_AUTHORIZATION' => 'Basic ' . base64_encode('user:password'),
]);
?>
--CLEAN--
<?php
@unlink(__DIR__ . '/status.php');
?>
--EXPECT--
Content-type: text/html; charset=UTF-8

text= 0
Status: 404 Not Found
Content-type: text/html; charset=UTF-8

missing= 0
Status: 418 Short and stout
Content-type: text/html; charset=UTF-8

= 3
Status: 299 Own words
Content-type: text/html; charset=UTF-8

= 0
Status: 302 Found
Location: /there
Content-type: text/html; charset=UTF-8

= 0
Status: 299
Content-type: text/html; charset=UTF-8

= 0
X-Late: no
Content-type: text/html; charset=UTF-8

a1= 0
Content-type: text/html; charset=UTF-8

bod10= 0
Status: 404 Not Found
Content-type: text/html; charset=UTF-8

No input file specified.
= 255
Content-type: text/html; charset=UTF-8

/status.php/more /more user= 0
