<?php
// Each run publishes its number and ends with status 0. Only what was published survives a run.
static $statics = 0;
$GLOBALS['globals'] = ($GLOBALS['globals'] ?? 0) + 1;
try {
    $run = frankenphp_get_vars('restart')['run'] + 1;
} catch (RuntimeException) {
    $run = 1;
}
$included = require_once __DIR__ . '/../include/once.inc';
frankenphp_set_vars(['run' => $run, 'statics' => ++$statics, 'globals' => $globals, 'included' => $included]);
