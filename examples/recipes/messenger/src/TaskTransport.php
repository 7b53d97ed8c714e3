<?php

declare(strict_types=1);

namespace App;

use FrankenPHP\SentTaskHandle;
use FrankenPHP\SharedArray;
use FrankenPHP\WorkerHandle;
use Symfony\Component\Messenger\Envelope;
use Symfony\Component\Messenger\Exception\MessageDecodingFailedException;
use Symfony\Component\Messenger\Exception\TransportException;
use Symfony\Component\Messenger\Stamp\DelayStamp;
use Symfony\Component\Messenger\Stamp\TransportMessageIdStamp;
use Symfony\Component\Messenger\Transport\Receiver\MessageCountAwareInterface;
use Symfony\Component\Messenger\Transport\Serialization\SerializerInterface;
use Symfony\Component\Messenger\Transport\TransportInterface;

/**
 * A transport without a broker: each message is a task for the background worker that consumes it.
 *
 * A store keeps a message from the moment a consumer takes it until it is handled, so a consumer that dies loses none. It also keeps
 * those that are delayed, and those that found every consumer busy. It is memory: what it holds when the server stops is lost.
 */
final class TaskTransport implements TransportInterface, MessageCountAwareInterface
{
    private readonly SharedArray $kept;
    /** Where a consumer gets its tasks; null for who only sends. */
    private ?WorkerHandle $handle = null;
    private float $nextLook = 0.0;

    /**
     * @param string $worker         the background worker that runs messenger:consume
     * @param string $store          the store, which the Caddyfile declares
     * @param float  $patience       how many seconds a page waits for a free consumer before it leaves the message in the store
     * @param float  $redeliverAfter after how many seconds a message that is not handled goes to another consumer
     */
    public function __construct(
        private readonly SerializerInterface $serializer,
        private readonly string $worker,
        string $store = 'messages',
        private readonly float $patience = 0.1,
        private readonly float $redeliverAfter = 3600.0,
    ) {
        $this->kept = new SharedArray($store);
    }

    public function send(Envelope $envelope): Envelope
    {
        $seconds = ($envelope->last(DelayStamp::class)?->getDelay() ?? 0) / 1000;
        $id = "$this->worker:" . bin2hex(random_bytes(12));
        $message = ['id' => $id, 'due' => microtime(true) + $seconds, 'encoded' => $this->serializer->encode($envelope)];
        // A consumer that sends to itself, a retry for example, would wait for itself.
        if ($seconds > 0 || $this->handle !== null || !$this->hand($message)) {
            $this->kept[$id] = $message;
        }

        return $envelope->with(new TransportMessageIdStamp($id));
    }

    /** Returns false if every consumer is busy. */
    private function hand(array $message): bool
    {
        try {
            $task = new SentTaskHandle($this->worker, $message, $this->patience);
            // Null: the consumer has put it into the store.
            $task->read();

            return true;
        } catch (\RuntimeException $error) {
            if (str_contains($error->getMessage(), 'has not taken the task')) {
                return false;
            }
            throw new TransportException($error->getMessage(), 0, $error);
        }
    }

    public function get(): iterable
    {
        $this->handle ??= new WorkerHandle();
        $message = $this->handle->tick() ? $this->take() : null;
        if ($message === null) {
            // A signal ends the wait, and so does the server when it stops.
            [$readable, $none] = [[$this->handle->getStream()], null];
            @stream_select($readable, $none, $none, 1);
            $message = $this->handle->tick() ? $this->take() : null;
        }

        return $message === null ? [] : [$this->decoded($message)];
    }

    private function take(): ?array
    {
        $message = microtime(true) < $this->nextLook ? null : $this->due();
        if ($message === null && null !== $task = $this->handle->receive()) {
            $message = $task->getPayload();
            $this->kept[$message['id']] = $this->reserved($message);
            $task->complete();
        }

        return $message;
    }

    /** A message of the store that is due, and that no other consumer takes. */
    private function due(): ?array
    {
        $now = microtime(true);
        foreach ($this->kept->snapshot() as $id => $message) {
            $isOurs = $message['due'] <= $now && str_starts_with($id, "$this->worker:");
            if ($isOurs && $this->kept->cas($id, $message, $this->reserved($message))) {
                return $message;
            }
        }
        $this->nextLook = $now + 1.0;

        return null;
    }

    private function reserved(array $message): array
    {
        return ['due' => microtime(true) + $this->redeliverAfter] + $message;
    }

    private function decoded(array $message): Envelope
    {
        try {
            return $this->serializer->decode($message['encoded'])->with(new TransportMessageIdStamp($message['id']));
        } catch (MessageDecodingFailedException $error) {
            unset($this->kept[$message['id']]);
            throw $error;
        }
    }

    public function ack(Envelope $envelope): void
    {
        // A message that was sent again by a retry has the stamp of each time.
        unset($this->kept[$envelope->last(TransportMessageIdStamp::class)->getId()]);
    }

    public function reject(Envelope $envelope): void
    {
        $this->ack($envelope);
    }

    /** Those that the store keeps; tasks that wait for a consumer are in the metrics of the server. */
    public function getMessageCount(): int
    {
        return count(array_filter($this->kept->keys(), fn (int|string $id) => str_starts_with((string) $id, "$this->worker:")));
    }
}
