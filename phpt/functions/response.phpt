--TEST--
B57: what a script says of its response
--FILE--
<?php
ob_start();
header('X-One: 1');
header('X-Two:2');
header('X-Two: 3', false);
header('Content-Type: text/plain');
var_dump(headers_send(103), headers_sent(), headers_send(200), headers_sent(), headers_send(103));
$headers = frankenphp_response_headers();
var_dump($headers === apache_response_headers(), array_diff_key($headers, ['X-Powered-By' => 1]));
ob_end_flush();
set_error_handler(function (int $type, string $message) {
    echo "caught: $message\n";
});
header('X-Late: 1');
flush();
var_dump(frankenphp_finish_request());
echo "nobody reads this\n";
file_put_contents('php://stdout', 'finished twice: ' . json_encode(fastcgi_finish_request()) . "\n");
?>
--EXPECTF--
int(1)
bool(false)
int(0)
bool(true)
int(3)
bool(true)
array(3) {
  ["X-One"]=>
  string(1) "1"
  ["X-Two"]=>
  string(1) "3"
  ["Content-type"]=>
  string(24) "text/plain;charset=UTF-8"
}
caught: Cannot modify header information - headers already sent
finished twice: false
