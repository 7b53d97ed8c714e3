--TEST--
Tasks: a stream that is still open when the script has ended is closed by PHP, after the workers have stopped
--INI--
igor.config={PWD}/tasks.Caddyfile
--FILE--
<?php
final class Kept
{
    public static mixed $stream;
}

$task = new FrankenPHP\SentTaskHandle('echo', ['do' => 'steps', 'steps' => 1]);
Kept::$stream = $task->getStream();
var_dump(is_resource(Kept::$stream));
?>
--EXPECT--
bool(true)
