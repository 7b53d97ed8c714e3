--TEST--
N9 (B27): constant arrays, which opcache keeps in its shared memory
--EXTENSIONS--
opcache
--INI--
igor.config={PWD}/../include/Caddyfile
opcache.enable=1
opcache.enable_cli=1
opcache.jit=off
--FILE--
<?php
require __DIR__ . '/../include/literals.inc';

$opcache = in_worker() ? null : opcache_get_status(false);
in_worker() || print('opcache ' . ($opcache ? 'on' : 'off') . ', JIT ' . (($opcache['jit']['on'] ?? false) ? 'on' : 'off') . "\n");
literals();
?>
--EXPECT--
opcache on, JIT off
literal: same
empty literal: same
nested empty literals: same
global constant: same
class constant: same
computed class constant: same
static property: same
default value: same
literal with a changed copy: same
literal, many times: same
interned and other texts: same
bool(true)
bool(true)
bool(true)
NULL
bool(true)
