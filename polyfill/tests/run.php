<?php

declare(strict_types=1);

// The tests of the package: `php tests/run.php`, or `composer test`. They need a PHP without Igor, and nothing else.

namespace Igor\Polyfill\Tests;

require __DIR__ . '/load.php';

enum Status: string
{
    case Active = 'active';
}

$checks = 0;

function same(mixed $expected, mixed $actual, string $what): void
{
    global $checks;
    $checks++;
    if ($expected !== $actual) {
        echo "$what: expected ", var_export($expected, true), ', got ', var_export($actual, true), "\n";
        exit(1);
    }
}

/** Checks the class of what $call throws, and that its message holds $part. */
function throws(string $class, string $part, callable $call): void
{
    try {
        $result = var_export($call(), true);
    } catch (\Throwable $error) {
        same($class, $error::class, "the class of \"{$error->getMessage()}\"");
        same(true, str_contains($error->getMessage(), $part), "\"$part\" in \"{$error->getMessage()}\"");
        return;
    }
    same($class, $result, 'no exception');
}

/** Sets environment variables for the time of $call. */
function with(array $variables, callable $call): void
{
    foreach ($variables as $name => $value) {
        putenv("$name=$value");
    }
    $call();
    foreach ($variables as $name => $value) {
        putenv($name);
    }
}

/** A PHP file with this code; its path is handed to $call in the environment. */
function with_file(string $code, callable $call): void
{
    $path = tempnam(sys_get_temp_dir(), 'vars');
    file_put_contents($path, "<?php $code");
    with(['IGOR_POLYFILL_FILE' => $path], fn () => $call($path));
    unlink($path);
}

// Compiling it makes PHP fill $_ENV, which is to be done before the tests change the environment.
class_exists(\Igor\Polyfill\Vars::class);
same(true, (new \ReflectionFunction('frankenphp_get_vars'))->isUserDefined(), 'this PHP has no Igor');

// The classes are looked for before they are used, so none may be there by half.
foreach (['WorkerHandle', 'SentTaskHandle', 'ReceivedTaskHandle', 'SharedArray'] as $class) {
    same(false, class_exists("FrankenPHP\\$class"), "the class $class");
}

// From variables
with(['IGOR_VARS_REDIS_MASTER' => '{"host": "10.0.0.1", "ports": [1, 2.5, null, {"a": true}]}', 'IGOR_VARS_42' => '[]'], function () {
    $vars = ['host' => '10.0.0.1', 'ports' => [1, 2.5, null, ['a' => true]]];
    same($vars, frankenphp_get_vars('redis-master'), 'a name with a dash');
    same($vars, frankenphp_get_vars('Redis.Master'), 'another spelling of the same variable');
    same(['redis-master' => $vars, '42' => []], frankenphp_get_vars(['redis-master', '42']), 'several names');
    same([], frankenphp_get_vars([]), 'no name');
    frankenphp_require_background_worker('redis-master');
    frankenphp_require_background_worker('redis-master', 0.0005);
    frankenphp_ensure_background_worker('redis-master', null);
    frankenphp_ensure_background_worker(['redis-master', '42'], 1.0);
    throws('RuntimeException', 'IGOR_VARS_FLAGS', fn () => frankenphp_ensure_background_worker(['42', 'flags']));
});
throws('RuntimeException', 'IGOR_VARS_REDIS_MASTER', fn () => frankenphp_get_vars('redis-master'));
throws('RuntimeException', 'IGOR_VARS_REDIS_MASTER', fn () => frankenphp_require_background_worker('redis-master'));

with(['IGOR_VARS_A' => '{"v": 1}'], fn () => same(['v' => 1], frankenphp_get_vars('a'), 'a variable'));
with(['IGOR_VARS_A' => '{"v": 2}'], fn () => same(['v' => 2], frankenphp_get_vars('a'), 'a variable that changed'));
$_SERVER['IGOR_VARS_A'] = '{"v": 3}';
with(['IGOR_VARS_A' => '{"v": 2}'], fn () => same(['v' => 2], frankenphp_get_vars('a'), 'the environment wins'));
same(['v' => 3], frankenphp_get_vars('a'), 'a superglobal');
unset($_SERVER['IGOR_VARS_A']);

foreach (['{"password": "hunter2"' => 'Syntax error', '"hunter2"' => 'a single value', "\"\xff\"" => 'UTF-8'] as $text => $problem) {
    with(['IGOR_VARS_A' => $text], function () use ($problem) {
        throws('RuntimeException', $problem, fn () => frankenphp_get_vars('a'));
        try {
            frankenphp_get_vars('a');
        } catch (\RuntimeException $error) {
            same(false, str_contains((string) $error, 'hunter2'), 'a secret in a message');
        }
    });
}
with(['IGOR_VARS_A' => str_repeat('[', 256) . str_repeat(']', 256)], fn () => same(1, count(frankenphp_get_vars('a')), 'depth'));
with(['IGOR_VARS_A' => str_repeat('[', 257) . str_repeat(']', 257)], function () {
    throws('RuntimeException', 'stack depth', fn () => frankenphp_get_vars('a'));
});

// From a file
$code = 'return ["redis" => ["port" => 6379], 42 => [], "s" => ["v" => Igor\Polyfill\Tests\Status::Active, "f" => -0.0]];';
with_file($code, function () {
    same(['port' => 6379], frankenphp_get_vars('redis'), 'a name in the file');
    same(['redis' => ['port' => 6379], 42 => []], frankenphp_get_vars(['redis', '42']), 'names in the file');
    same(Status::Active, frankenphp_get_vars('s')['v'], 'an enum case');
    frankenphp_ensure_background_worker(['redis', '42', 's']);
    with(['IGOR_VARS_REDIS' => '{"port": 1}'], fn () => same(['port' => 1], frankenphp_get_vars('redis'), 'a variable wins'));
    throws('RuntimeException', '"absent" has published nothing', fn () => frankenphp_get_vars('absent'));
});
with_file('$path = $text = 1; return ["a" => array_keys(get_defined_vars())];', function () {
    same(['path', 'text'], frankenphp_get_vars('a'), 'the variables that the file sees');
});
$recursive = '$a = []; $a["a"] = &$a; return ["a" => $a];';
$refused = [
    'return 1;' => 'must return an array of arrays, not int',
    'return ["a" => 1];' => '"a" must be an array, not int',
    'return ["a" => ["x" => [1, new stdClass]]];' => '"a"[\'x\'][1] is stdClass',
    'return ["a" => [STDIN]];' => '"a"[0] is resource (stream)',
    'return ["a" => [fn () => 1]];' => '"a"[0] is Closure',
    $recursive => 'deeper than 256',
];
foreach ($refused as $code => $problem) {
    with_file($code, fn () => throws('RuntimeException', $problem, fn () => frankenphp_get_vars('a')));
}
foreach (['vars.php', '/nowhere/vars.php', 'http://localhost/vars.php', 'data:,<?php return [];', '/', 'phar://a.phar/v.php'] as $path) {
    with(['IGOR_POLYFILL_FILE' => $path], function () {
        throws('RuntimeException', 'must be the absolute path of a PHP file', fn () => frankenphp_get_vars('a'));
    });
}

// Where a worker would be needed
throws('RuntimeException', 'can only be called in a background worker', fn () => frankenphp_set_vars([]));
throws('RuntimeException', 'can only be called in a background worker', fn () => frankenphp_get_worker_handle());

// Each mistake, as Igor says it; the project's own tests compare calls.php with Igor itself.
throws('ValueError', 'must not be empty', fn () => frankenphp_require_background_worker(''));
throws('ValueError', 'null bytes', fn () => frankenphp_ensure_background_worker(['a', "b\0"]));
throws('ValueError', 'twice ("a")', fn () => frankenphp_ensure_background_worker(['a', 'a']));
throws('ValueError', 'must not be an empty array', fn () => frankenphp_ensure_background_worker([]));
foreach ([0.0, -1.0, NAN, INF] as $timeout) {
    throws('ValueError', 'greater than 0', fn () => frankenphp_require_background_worker('a', $timeout));
    throws('ValueError', 'greater than 0', fn () => frankenphp_ensure_background_worker('a', $timeout));
}
throws('TypeError', 'with a value of type int', fn () => frankenphp_ensure_background_worker(['a', 1]));
throws('TypeError', 'with a value of type int', fn () => frankenphp_get_vars([1]));
throws('ArgumentCountError', 'at most 2 arguments, 3 given', fn () => frankenphp_require_background_worker('a', 1.0, 1));

echo "$checks checks passed\n";
