<?php
// Does what the payload says, and reports what it received.
enum Suit: string
{
    case Hearts = 'H';
}
$handle = new FrankenPHP\WorkerHandle();
$drain = ($_SERVER['LOOP'] ?? 'while') === 'while';
$log = [];
$kept = null;
while ($handle->tick()) {
    $handle->setVars(['log' => $log, 'thread' => spl_object_id($handle)]);
    $read = [$handle->getStream()];
    $none = null;
    stream_select($read, $none, $none, null);
    while ($task = $handle->receive()) {
        $payload = $task->getPayload();
        try {
            match ($payload['do'] ?? 'echo') {
                'echo' => $task->complete(['got' => $payload]),
                'steps' => (function () use ($task, $payload) {
                    for ($i = 1; $i <= $payload['steps']; $i++) {
                        $task->update(['step' => $i]);
                    }
                    $task->complete();
                })(),
                'crash' => no_such_function(),
                'exit' => exit(3),
                'close' => (function () use ($task) {
                    $task->update(['then close']);
                    fclose($task->getStream());
                })(),
                'exit with a stream' => (function () use ($task) {
                    $stream = $task->getStream();
                    exit(4);
                })(),
                'drop' => null,
                'throw' => throw new DomainException('not today'),
                'relay' => $task->complete((new FrankenPHP\SentTaskHandle($payload['to'], $payload['with'], 5))->read()),
                'after the end' => (function () use ($task, &$log) {
                    $task->complete(['last' => true]);
                    $task->complete();
                    foreach ([fn () => $task->update([]), fn () => $task->complete([1])] as $call) {
                        try {
                            $call();
                        } catch (RuntimeException $error) {
                            $log[] = $error->getMessage();
                        }
                    }
                    $log[] = $task->getPayload()['do'];
                    $log[] = feof($task->getStream());
                })(),
                'wait for the sender' => (function () use ($task, &$log) {
                    $task->update(['taken']);
                    $read = [$task->getStream()];
                    $none = null;
                    $log[] = stream_select($read, $none, $none, 10);
                    $log[] = feof($task->getStream());
                    try {
                        $task->update([]);
                    } catch (RuntimeException $error) {
                        $log[] = $error->getMessage();
                    }
                    $task->complete();
                })(),
            };
        } catch (DomainException $error) {
            // The exception that is thrown destroys the handle.
            $log[] = $error->getMessage();
            $task->update(['before' => 'the drop']);
        } catch (RuntimeException $error) {
            $task->complete(['failed' => $error->getMessage()]);
        }
        unset($task);
        if (!$drain) {
            break;
        }
    }
}
