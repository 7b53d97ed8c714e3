--TEST--
N5 (B23): strings of any bytes and length
--INI--
igor.config={PWD}/../include/Caddyfile
memory_limit=256M
--FILE--
<?php
require __DIR__ . '/../include/round_trip.inc';

round_trip([
    'empty' => fn () => ['', 'a' => ''],
    'one byte' => fn () => array_map(chr(...), range(0, 255)),
    'with NUL' => fn () => ["\0", "a\0", "\0a", "a\0b", str_repeat("\0", 100)],
    '16 MiB' => fn () => [str_repeat('0123456789abcdef', 1 << 20)],
    'UTF-8' => fn () => ['café', '日本語', "\u{1F600}", "\u{0}"],
    'lengths around the padding' => fn () => array_map(fn ($length) => str_repeat('x', $length), range(0, 40)),
    'numbers as text' => fn () => ['0', '1.0', '-0', '1e3', ' 1', '9223372036854775808'],
    'texts whose hash nobody has asked for' => fn () => array_map(str_rot13(...), ['caf' . chr(0xe9), strrev("\xff\x80\x7f"), 'abc']),
    'invalid UTF-8' => fn () => ["\xff", "\xc3\x28", "\xed\xa0\x80", "caf\xe9"],
]);

// The hash of a text is made by the publisher; as keys, texts must be found by those that the reader makes.
foreach (published() as $text) {
    $keys = [$text => 1];
    var_dump(isset($keys[substr("$text!", 0, -1)]));
}

// A regex that has seen a string as valid UTF-8 marks it. The mark must not stand on one that is invalid.
foreach (published() as $text) {
    var_dump(@preg_match('/./u', $text), preg_last_error_msg());
}
?>
--EXPECT--
empty: same
one byte: same
with NUL: same
16 MiB: same
UTF-8: same
lengths around the padding: same
numbers as text: same
texts whose hash nobody has asked for: same
invalid UTF-8: same
bool(true)
bool(true)
bool(true)
bool(true)
bool(false)
string(56) "Malformed UTF-8 characters, possibly incorrectly encoded"
bool(false)
string(56) "Malformed UTF-8 characters, possibly incorrectly encoded"
bool(false)
string(56) "Malformed UTF-8 characters, possibly incorrectly encoded"
bool(false)
string(56) "Malformed UTF-8 characters, possibly incorrectly encoded"
