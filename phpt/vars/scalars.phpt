--TEST--
N6 (B23): null, bool, int and float, bit for bit
--INI--
igor.config={PWD}/../include/Caddyfile
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

round_trip([
    'null and bool' => fn () => [null, true, false],
    'integers' => fn () => [0, 1, -1, PHP_INT_MAX, PHP_INT_MIN],
    'floats' => fn () => [0.1, 1 / 3, 1e308, 5e-324, 2.2250738585072014e-308, PHP_FLOAT_EPSILON, 1.0],
    'signed zeros' => fn () => [0.0, -0.0],
    'infinities' => fn () => [INF, -INF],
    'NAN' => fn () => [NAN, -NAN],
    'NAN with a payload' => fn () => [unpack('E', "\x7f\xf8\x00\x00\x00\x00\x00\x2a")[1]],
    'int and float' => fn () => [1, 1.0, '1', true],
]);
?>
--EXPECT--
null and bool: same
integers: same
floats: same
signed zeros: same
infinities: same
NAN: same
NAN with a payload: same
int and float: same
