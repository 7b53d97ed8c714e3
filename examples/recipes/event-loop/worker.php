<?php

declare(strict_types=1);

// Takes `name value` lines from any number of clients of a Unix socket and publishes the newest value of each name; a timer
// publishes beside it how long the board has been up. The loop is Amp's, as Debian's package php-amphp-amp brings it; in
// Amp 3 and ReactPHP the calls have other names, see docs/recipes.md.

use Amp\Loop;

// Amp 2 declares some parameters in a way that PHP 8.4 deprecates.
error_reporting(E_ALL & ~E_DEPRECATED);
// With Composer this is vendor/autoload.php.
require '/usr/share/php/Amp/autoload.php';
require '/usr/share/php/Amp/functions.php';
require '/usr/share/php/Amp/Internal/functions.php';

const CLIENTS_MAX = 100;
const LINE_BYTES_MAX = 1024;
const NAMES_MAX = 1000;

final class Board
{
    /** @var array<string, string> */
    private array $values = [];
    private int $clients = 0;
    private readonly float $since;

    public function __construct()
    {
        $this->since = microtime(true);
    }

    public function publish(): void
    {
        frankenphp_set_vars(['values' => $this->values, 'up_for_seconds' => (int) (microtime(true) - $this->since)]);
    }

    /** @param resource $server */
    public function accept($server): void
    {
        $client = @stream_socket_accept($server, 0);
        if ($client === false || $this->clients >= CLIENTS_MAX) {
            return;
        }
        $this->clients++;
        stream_set_blocking($client, false);
        $line = '';
        Loop::onReadable($client, function (string $watcher) use ($client, &$line): void {
            $bytes = fread($client, LINE_BYTES_MAX);
            $lines = explode("\n", $line . $bytes);
            $line = array_pop($lines);
            array_map($this->set(...), $lines);
            if (feof($client) || strlen($line) > LINE_BYTES_MAX) {
                Loop::cancel($watcher);
                fclose($client);
                $this->clients--;
            }
        });
    }

    private function set(string $line): void
    {
        [$name, $value] = explode(' ', $line, 2) + ['', ''];
        if (count($this->values) < NAMES_MAX || isset($this->values[$name])) {
            $this->values[$name] = $value;
            $this->publish();
        }
    }
}

Loop::run(static function (): void {
    $path = getenv('SOCKET') ?: __DIR__ . '/board.sock';
    // What a run that crashed has left behind.
    @unlink($path);
    $server = stream_socket_server("unix://$path", $code, $message)
        ?: throw new RuntimeException("listening on $path: $message");
    stream_set_blocking($server, false);
    $board = new Board();
    $board->publish();

    Loop::onReadable($server, static fn () => $board->accept($server));
    Loop::repeat(1000, $board->publish(...));
    // The handle is one more stream to read from: the server wants this script to end.
    Loop::onReadable(frankenphp_get_worker_handle(), Loop::stop(...));
});
