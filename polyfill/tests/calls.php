<?php

// Prints what the functions say of calls that are wrong anywhere. Run with and without Igor, it prints the same.

require __DIR__ . '/load.php';

$calls = [
    'frankenphp_get_worker_handle' => [[], [1]],
    'frankenphp_set_vars' => [[['a' => 1]], [], ['a'], [null], [[], 1]],
    'frankenphp_get_vars' => [[], [new stdClass()], [['a', 1]], [[1]], [[null]], ['a', 'b'], ['absent'], [['absent']], [[]]],
    'frankenphp_require_background_worker' => [
        [], [[]], [''], ["a\0b"], ['a', 0], ['a', -1], ['a', NAN], ['a', INF], ['a', '1s'], ['a', 1, 2], ['absent'],
        ['absent', 0.0005], [str_repeat('a', 1025)], ["\xff"],
    ],
    'frankenphp_ensure_background_worker' => [
        [], [''], ["\0"], [[]], [['']], [['a', "b\0"]], [['a', 'b', 'a']], [['x' => 'a', 'y' => 'a']], [['a', 1]],
        [['a', null]], [['a', ['b']]], [['a', new stdClass()]], ['a', 0], ['a', -0.0], ['a', NAN], ['a', INF], [['a'], 0],
        ['a', 'soon'], ['a', 1, 2], ['absent'], [['absent', 'missing'], null],
    ],
];

foreach ($calls as $function => $lists) {
    $reflection = new ReflectionFunction($function);
    foreach ($reflection->getParameters() as $parameter) {
        $default = $parameter->isOptional() ? ' = ' . var_export($parameter->getDefaultValue(), true) : '';
        $types = explode('|', (string) $parameter->getType());
        sort($types);
        echo implode('|', $types), " {$parameter->getName()}$default, ";
    }
    echo "$function: ", $reflection->getReturnType() ?? 'no type', "\n";
    foreach ($lists as $arguments) {
        $shown = substr(json_encode($arguments, JSON_PARTIAL_OUTPUT_ON_ERROR), 0, 80);
        try {
            $outcome = json_encode($function(...$arguments));
        } catch (Throwable $error) {
            // PHP words its own complaints about types differently for functions written in PHP; and what to do about vars
            // that are not there depends on where one is.
            $alike = $error instanceof ValueError || str_contains($error->getMessage(), 'can only be called')
                || str_contains($error->getMessage(), 'array with a value');
            $outcome = $error::class . ($alike ? ': ' . $error->getMessage() : '');
        }
        echo "$function $shown: $outcome\n";
    }
}
