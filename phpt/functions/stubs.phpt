--TEST--
The stubs for IDEs and analysers (stubs/igor.php) say what the program has
--FILE--
<?php
require __DIR__ . '/../include/signatures.inc';

/** What the tags of a comment name: `param` => ['$a', '$b'], `return` => [type], `throws` => [class, …]. */
function tags(ReflectionFunction $function): array
{
    $comment = preg_replace('/^\s*\/?\*+\/?/m', '', (string) $function->getDocComment());
    preg_match_all('/@(param|return|throws)\b(.*?)(?=@\w|\z)/s', $comment, $found, PREG_SET_ORDER);
    $tags = ['param' => [], 'return' => [], 'throws' => []];
    foreach ($found as [, $tag, $text]) {
        $text = trim($text);
        $tags[$tag][] = $tag === 'param' ? strstr(strstr("$text ", '$'), ' ', true) : strtok($text, ' ');
    }
    return $tags;
}

/** Types that say too little by themselves. */
function is_vague(?ReflectionType $type): bool
{
    return $type === null || preg_match('/\b(array|callable)\b/', (string) $type);
}

$declared = declared_in(__DIR__ . '/../../stubs/igor.php', 'Stubs');
var_dump(count($declared) > 10);
compare_signatures($declared, registered());

foreach ($declared as $name => $function) {
    $tags = tags($function);
    if (!preg_match('/^\/\*\*\s+\* [A-Z]/', (string) $function->getDocComment())) {
        echo "$name: no description\n";
    }
    $parameters = array_map(fn ($parameter) => '$' . $parameter->getName(), $function->getParameters());
    foreach (array_diff($tags['param'], $parameters) as $unknown) {
        echo "$name: a @param for $unknown, which is no parameter\n";
    }
    foreach ($function->getParameters() as $parameter) {
        if (is_vague($parameter->getType()) && !in_array('$' . $parameter->getName(), $tags['param'])) {
            echo "$name: no @param for \${$parameter->getName()}\n";
        }
    }
    if (is_vague($function->getReturnType()) && count($tags['return']) !== 1) {
        echo "$name: no @return\n";
    }
    foreach ($tags['throws'] as $class) {
        if (!is_subclass_of($class, Throwable::class)) {
            echo "$name: a @throws of $class, which is no class\n";
        }
    }
}
foreach ($declared as $name => $function) {
    if (tags($function)['throws'] !== []) {
        echo "$name: ", implode(', ', tags($function)['throws']), "\n";
    }
}
?>
--EXPECT--
bool(true)
frankenphp_get_worker_handle: RuntimeException
frankenphp_require_background_worker: ValueError, RuntimeException
frankenphp_ensure_background_worker: ValueError, TypeError, RuntimeException
frankenphp_set_vars: ValueError, RuntimeException
frankenphp_get_vars: RuntimeException, LogicException, TypeError
frankenphp_handle_request: RuntimeException
mercure_publish: RuntimeException, ValueError
