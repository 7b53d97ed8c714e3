<?php

// Publishes a new version of an array when it is asked to, by a line on its socket:
//
//     make SIZE       makes an array of this many elements
//     publish         publishes its next version, with one value changed
//     renew           publishes its next version, with every value changed
//     await READERS   answers as soon as this many readers are connected
//     rounds COUNT    publishes this many versions, each as soon as every reader has read the one before
//     release         ends the readers
//
// Each is answered by "done" when it is done. A reader says "reader", and answers each "read" when it has read.
require __DIR__ . '/data.php';

final class Commanded
{
    /** @var list<resource> */
    private array $readers = [];
    private array $array = [];
    private int $elements = 0;
    private int $version = 0;
    private int $awaited = 0;
    /** @var resource */
    private $conductor;

    public function serve(string $path): void
    {
        // A run before this one may have left its own.
        @unlink($path);
        $server = stream_socket_server("unix://$path");
        // Something must be published before anybody may read; and whoever waited for it finds the socket.
        frankenphp_set_vars([]);
        $handle = frankenphp_get_worker_handle();
        $clients = [];
        while (true) {
            $ready = [$server, $handle, ...$clients];
            $none = [];
            stream_select($ready, $none, $none, null);
            if (in_array($handle, $ready, true)) {
                return;
            }
            foreach ($ready as $stream) {
                if ($stream === $server) {
                    $client = stream_socket_accept($server);
                    $clients[(int) $client] = $client;
                } elseif (($line = fgets($stream)) === false) {
                    unset($clients[(int) $stream]);
                } elseif ($line === "reader\n") {
                    unset($clients[(int) $stream]);
                    $this->readers[] = $stream;
                    $this->answer_when_all_are_here();
                } else {
                    $this->conductor = $stream;
                    $this->obey(...explode(' ', trim($line)));
                }
            }
        }
    }

    private function obey(string $command, string $number = '0'): void
    {
        if ($command === 'await') {
            $this->awaited = (int) $number;
            $this->answer_when_all_are_here();

            return;
        }
        match ($command) {
            'make' => $this->array = records($this->elements = (int) $number),
            'publish' => $this->publish(),
            'renew' => $this->renew(),
            'rounds' => $this->rounds((int) $number),
            'release' => $this->release(),
        };
        fwrite($this->conductor, "done\n");
    }

    private function publish(): void
    {
        $this->array['record-0']['id'] = ++$this->version;
        frankenphp_set_vars($this->array);
    }

    private function renew(): void
    {
        $this->array = records($this->elements, ++$this->version);
        frankenphp_set_vars($this->array);
    }

    private function rounds(int $count): void
    {
        for ($round = 0; $round < $count; $round++) {
            $this->publish();
            foreach ($this->readers as $reader) {
                fwrite($reader, "read\n");
            }
            foreach ($this->readers as $reader) {
                fgets($reader);
            }
        }
    }

    private function release(): void
    {
        foreach ($this->readers as $reader) {
            fwrite($reader, "end\n");
        }
        $this->readers = [];
    }

    private function answer_when_all_are_here(): void
    {
        if ($this->awaited > 0 && count($this->readers) >= $this->awaited) {
            $this->awaited = 0;
            fwrite($this->conductor, "done\n");
        }
    }
}

(new Commanded)->serve($_SERVER['BENCH_SOCKET'] ?? getenv('BENCH_SOCKET'));
