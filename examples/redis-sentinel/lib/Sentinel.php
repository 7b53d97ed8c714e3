<?php

declare(strict_types=1);

/**
 * One Sentinel, and what it says about the master. Keeps a connection on which Sentinel reports a switch, and makes it
 * again when it is lost.
 */
final class Sentinel
{
    private const CONNECT_SECONDS = 0.5;
    private const ANSWER_SECONDS = 0.5;
    /** The pause after a failed connection; doubles up to the second one. */
    private const RETRY_SECONDS_MIN = 0.1;
    private const RETRY_SECONDS_MAX = 2.0;
    /** Sentinels are asked now and then, too: a connection can die without a sign. */
    private const ASK_EVERY_SECONDS = 2.0;

    private ?RedisConnection $events = null;
    private float $nextAt = 0.0;
    private float $pause = self::RETRY_SECONDS_MIN;
    private ?array $master = null;
    private ?string $trouble = null;

    public function __construct(
        private readonly string $host,
        private readonly int $port,
        private readonly string $masterName,
    ) {
    }

    public function name(): string
    {
        return "$this->host:$this->port";
    }

    /** host, port and epoch of the master as this Sentinel sees it; null when it cannot be asked. */
    public function master(): ?array
    {
        return $this->master;
    }

    /** Why it cannot be asked; null when it can. */
    public function trouble(): ?string
    {
        return $this->trouble;
    }

    /** Becomes readable when Sentinel reports something. @return resource|null */
    public function stream()
    {
        return $this->events?->stream();
    }

    /** Seconds until tick() has something to do. */
    public function idleSeconds(): float
    {
        return max(0.0, $this->nextAt - microtime(true));
    }

    /** Connects or asks, if it is time to. */
    public function tick(): void
    {
        if ($this->idleSeconds() > 0.0) {
            return;
        }
        $this->attempt(function (): void {
            if ($this->events !== null) {
                $this->ask();
                return;
            }
            $this->events = new RedisConnection($this->host, $this->port, self::CONNECT_SECONDS);
            $this->events->send('SUBSCRIBE', '+switch-master');
        });
    }

    /** Takes what Sentinel reported. */
    public function receive(): void
    {
        $this->attempt(function (): void {
            foreach ($this->events->arrived() as $reply) {
                if ($reply instanceof RedisError) {
                    throw $reply;
                }
                // The first reply says that the subscription holds: from now on no switch is missed.
                $this->ask();
            }
        });
    }

    /** A connection with a subscription takes no other commands, so questions have one of their own. */
    private function ask(): void
    {
        $questions = new RedisConnection($this->host, $this->port, self::CONNECT_SECONDS);
        $fields = $questions->command(self::ANSWER_SECONDS, 'SENTINEL', 'MASTER', $this->masterName);
        $answer = [];
        foreach (array_chunk($fields, 2) as [$name, $value]) {
            $answer[$name] = $value;
        }
        $this->master = [
            'host' => $answer['ip'],
            'port' => (int) $answer['port'],
            'epoch' => (int) $answer['config-epoch'],
        ];
    }

    private function attempt(Closure $what): void
    {
        try {
            $what();
            $this->trouble = null;
            $this->pause = self::RETRY_SECONDS_MIN;
            $this->nextAt = microtime(true) + self::ASK_EVERY_SECONDS;
        } catch (ConnectionLost | RedisError $error) {
            // Until it answers again, its view counts for nothing.
            $this->events = null;
            $this->master = null;
            $this->trouble = $error->getMessage();
            $this->nextAt = microtime(true) + $this->pause;
            $this->pause = min(2 * $this->pause, self::RETRY_SECONDS_MAX);
        }
    }
}
