--TEST--
The functions have the signatures of c/functions.stub.php
--FILE--
<?php
$stub = file_get_contents(__DIR__ . '/../../c/functions.stub.php');
eval('namespace Stub; ' . substr($stub, strlen('<?php')));

function signature(ReflectionFunction $function): string
{
    $parameters = array_map(function (ReflectionParameter $parameter) {
        $default = $parameter->isDefaultValueAvailable() ? ' = ' . var_export($parameter->getDefaultValue(), true) : '';
        return type($parameter->getType()) . ' $' . $parameter->getName() . $default;
    }, $function->getParameters());
    return $function->getShortName() . '(' . implode(', ', $parameters) . '): ' . type($function->getReturnType());
}

function type(?ReflectionType $type): string
{
    $names = explode('|', (string) $type);
    sort($names);
    return implode('|', $names);
}

$registered = (new ReflectionExtension('igor'))->getFunctions();
$written = [];
foreach (get_defined_functions()['user'] as $name) {
    if (str_starts_with($name, 'stub\\')) {
        $function = new ReflectionFunction($name);
        $written[$function->getShortName()] = $function;
    }
}
var_dump(count($written) > 10, array_diff(array_keys($written), array_keys($registered)),
    array_diff(array_keys($registered), array_keys($written)));
foreach ($written as $name => $function) {
    $expected = signature($function);
    $actual = signature($registered[$name]);
    if ($actual !== $expected) {
        echo "$actual\ninstead of $expected\n";
    }
}
foreach ($registered as $function) {
    if (str_contains($function->getName(), '_worker') || str_ends_with($function->getName(), '_vars')) {
        echo signature($function), "\n";
    }
}
?>
--EXPECT--
bool(true)
array(0) {
}
array(0) {
}
frankenphp_get_worker_handle(): 
frankenphp_require_background_worker(string $name, float $timeout = 30.0): void
frankenphp_ensure_background_worker(array|string $name, ?float $timeout = NULL): void
frankenphp_set_vars(array $vars): void
frankenphp_get_vars(array|string $name): array
