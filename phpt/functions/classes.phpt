--TEST--
The classes have the methods of c/classes.stub.php and stubs/classes.php
--FILE--
<?php
require __DIR__ . '/../include/signatures.inc';

$registered = [];
foreach ((new ReflectionExtension('igor'))->getClasses() as $class) {
    $registered[$class->getShortName()] = $class;
}
$own = methods_of($registered);
var_dump(count($own) > 10);
foreach (['c/classes.stub.php' => 'Stub', 'stubs/classes.php' => 'Stubs'] as $file => $namespace) {
    $declared = methods_of(classes_in(__DIR__ . "/../../$file", $namespace));
    foreach (array_diff_assoc($declared, $own) + array_diff_assoc($own, $declared) as $name => $_) {
        echo "$file: $name: ", $declared[$name] ?? 'not there', "\n  in the program: ", $own[$name] ?? 'not there', "\n";
    }
}
foreach ($own as $name => $signature) {
    if (str_contains($name, '__construct')) {
        echo "$name $signature\n";
    }
}
?>
--EXPECT--
bool(true)
ReceivedTaskHandle::__construct private ()
SentTaskHandle::__construct public (string $worker, array $payload, ?float $timeout = 30.0)
SharedArray::__construct public (string $name = 'default')
WorkerHandle::__construct public ()
