--TEST--
The objects in the wrong place: outside of a background worker, or without their constructor
--FILE--
<?php
require __DIR__ . '/../include/wait.inc';

failure(fn () => new FrankenPHP\WorkerHandle());
try {
    new FrankenPHP\ReceivedTaskHandle();
} catch (Error $error) {
    echo $error->getMessage(), "\n";
}
foreach (['WorkerHandle', 'SentTaskHandle', 'ReceivedTaskHandle'] as $name) {
    $class = new ReflectionClass("FrankenPHP\\$name");
    var_dump($class->isFinal(), $class->isCloneable());
}
$class = new ReflectionClass(FrankenPHP\SentTaskHandle::class);
try {
    $class->newInstanceWithoutConstructor()->read();
} catch (Error | ReflectionException $error) {
    echo $error::class, "\n";
}
failure(fn () => new FrankenPHP\SentTaskHandle('nobody', []));
foreach ([fn () => new FrankenPHP\SentTaskHandle('', []), fn () => new FrankenPHP\SentTaskHandle("a\0b", []),
    fn () => new FrankenPHP\SentTaskHandle('a', [], -1), fn () => new FrankenPHP\SentTaskHandle('a', [], NAN),
    fn () => new FrankenPHP\SentTaskHandle('self', [new stdClass])] as $call) {
    try {
        $call();
    } catch (ValueError $error) {
        echo $error->getMessage(), "\n";
    }
}
?>
--EXPECTF--
RuntimeException: FrankenPHP\WorkerHandle can only be created in a background worker
Call to private FrankenPHP\ReceivedTaskHandle::__construct() from global scope
bool(true)
bool(false)
bool(true)
bool(false)
bool(true)
bool(false)
%s
RuntimeException: background worker%s
FrankenPHP\SentTaskHandle::__construct(): Argument #1 ($worker) must not be empty
FrankenPHP\SentTaskHandle::__construct(): Argument #1 ($worker) must not contain any null bytes
FrankenPHP\SentTaskHandle::__construct(): Argument #3 ($timeout) must be a finite number of seconds greater than or equal to 0
FrankenPHP\SentTaskHandle::__construct(): Argument #3 ($timeout) must be a finite number of seconds greater than or equal to 0
FrankenPHP\SentTaskHandle::__construct(): $%s is an object of class stdClass%S
