<?php

declare(strict_types=1);

require_once __DIR__ . '/Resp.php';

/** No master could be used within the time that a request may take. */
final class MasterUnavailable extends RuntimeException
{
}

/** Runs commands on the current master, and goes where the background worker says when that one is gone. */
final class Master
{
    private const CONNECT_SECONDS = 0.3;
    private const ANSWER_SECONDS = 1.0;
    /** How often the snapshot is looked at while there is no master. A look costs well below a microsecond. */
    private const LOOK_EVERY_US = 20_000;
    /** How often the same master is tried again: it may just have restarted, without a failover. */
    private const TRY_EVERY_SECONDS = 0.25;
    /** What a server answers that is no master any more, or not yet one that can be used. */
    private const NOT_NOW = ['READONLY', 'LOADING', 'MASTERDOWN', 'NOREPLICAS'];

    private int $attempts = 0;

    public function __construct(private readonly string $worker, private readonly float $seconds)
    {
    }

    /** How often a master was tried. */
    public function attempts(): int
    {
        return $this->attempts;
    }

    /**
     * Returns the result of $work on a connection to the master. $work may run several times: a connection that broke does not
     * say how far it got, so a command may have been done twice, or be lost with the old master.
     *
     * @template T
     * @param callable(RedisConnection, float): T $work its second argument is the timeout for one command, in seconds
     * @return array{T, array} the result, and the snapshot that named the master
     * @throws MasterUnavailable
     */
    public function run(callable $work): array
    {
        $deadline = microtime(true) + $this->seconds;
        do {
            $snapshot = frankenphp_get_vars($this->worker);
            $this->attempts++;
            try {
                $connection = new RedisConnection($snapshot['host'], $snapshot['port'], self::CONNECT_SECONDS);
                return [$work($connection, self::ANSWER_SECONDS), $snapshot];
            } catch (ConnectionLost $error) {
            } catch (RedisError $error) {
                if (!in_array($error->kind(), self::NOT_NOW, true)) {
                    throw $error;
                }
            }
            $this->awaitAnother($snapshot, min($deadline, microtime(true) + self::TRY_EVERY_SECONDS));
        } while (microtime(true) < $deadline);

        throw new MasterUnavailable(
            "no usable Redis master within $this->seconds s; the last one was {$snapshot['host']}:{$snapshot['port']}: "
                . $error->getMessage(),
            previous: $error,
        );
    }

    /** Returns when the worker has published another master, or at $until. */
    private function awaitAnother(array $snapshot, float $until): void
    {
        $address = [$snapshot['host'], $snapshot['port']];
        while (microtime(true) < $until) {
            usleep(self::LOOK_EVERY_US);
            $now = frankenphp_get_vars($this->worker);
            if ([$now['host'], $now['port']] !== $address) {
                return;
            }
        }
    }
}
