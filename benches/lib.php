<?php

/** What both benchmarks need: servers that are started and stopped, requests, and medians with their spread. */
final class Server
{
    /** @var resource */
    private $process;
    private string $log;

    /** Starts a program that listens on the port, or on the Unix socket, and waits until it does. */
    public function __construct(array $command, private int|string $port, array $env = [], int $seconds_max = 30)
    {
        $this->log = $log = tempnam(sys_get_temp_dir(), 'igor-bench-');
        $this->process = proc_open($command, [['file', '/dev/null', 'r'], ['file', $log, 'a'], ['file', $log, 'a']], $pipes,
            null, $env + getenv());
        $deadline = microtime(true) + $seconds_max;
        while (!($socket = is_int($port) ? @fsockopen('127.0.0.1', $port) : @fsockopen("unix://$port"))) {
            if (microtime(true) > $deadline || !proc_get_status($this->process)['running']) {
                fwrite(STDERR, "starting " . implode(' ', $command) . " failed:\n" . file_get_contents($log));
                exit(1);
            }
            usleep(20_000);
        }
        fclose($socket);
    }

    public function get(string $path): array
    {
        $body = @file_get_contents("http://127.0.0.1:$this->port$path", false,
            stream_context_create(['http' => ['timeout' => 600, 'ignore_errors' => true]]));
        $value = json_decode((string) $body, true);
        if (!is_array($value)) {
            $log = implode("\n", array_slice(explode("\n", (string) @file_get_contents($this->log)), -20));
            fwrite(STDERR, "asking for $path failed: " . substr((string) $body, 0, 2000) . "\n$log\n");
            exit(1);
        }

        return $value;
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    /** Ends the server and waits for it. `php -S` waits for its children, which no one else ends. */
    public function __destruct()
    {
        $pid = $this->pid();
        foreach (preg_split('/ /', (string) @file_get_contents("/proc/$pid/task/$pid/children"), 0, PREG_SPLIT_NO_EMPTY) as $child) {
            posix_kill((int) $child, SIGINT);
        }
        proc_terminate($this->process, SIGINT);
        proc_close($this->process);
        unlink($this->log);
    }
}

function free_port(): int
{
    $socket = stream_socket_server('tcp://127.0.0.1:0');
    $port = (int) substr(strrchr(stream_socket_get_name($socket, false), ':'), 1);
    fclose($socket);

    return $port;
}

function median(array $values): float
{
    sort($values);
    $middle = intdiv(count($values), 2);

    return count($values) % 2 ? $values[$middle] : ($values[$middle - 1] + $values[$middle]) / 2;
}

/** Half the distance between the quartiles, in percent of the median. */
function spread(array $values): float
{
    sort($values);
    $quarter = intdiv(count($values), 4);
    $median = median($values);

    return $median == 0 ? 0.0 : ($values[count($values) - 1 - $quarter] - $values[$quarter]) / 2 / $median * 100;
}

/** Median and spread of `$values` divided, round by round, by `$yardstick`. */
function ratio(array $values, array $yardstick): string
{
    $ratios = array_map(static fn (float $value, float $by): float => $value / $by, $values, $yardstick);

    return sprintf('%8.2f  ±%4.1f %%', median($ratios), spread($ratios));
}

function machine(): string
{
    preg_match('/^model name\s*:\s*(.+)$/m', (string) @file_get_contents('/proc/cpuinfo'), $cpu);

    return sprintf('%s, %d cores, PHP %s, load %s', $cpu[1] ?? php_uname('m'), (int) shell_exec('nproc'), PHP_VERSION,
        implode(' ', array_map(static fn (float $load): string => sprintf('%.1f', $load), sys_getloadavg())));
}

function requests_per_second(int $port, string $path, int $seconds, string $arguments = ''): float
{
    $output = shell_exec("wrk -t 1 -c 64 -d {$seconds}s $arguments http://127.0.0.1:$port$path");
    if (!preg_match('~Requests/sec:\s+([\d.]+)~', (string) $output, $found) || str_contains($output, 'Non-2xx')) {
        fwrite(STDERR, "wrk failed for $path:\n$output");
        exit(1);
    }

    return (float) $found[1];
}

/** Bytes per second of responses with this path. */
function transferred(int $port, string $path, int $seconds, int $connections): float
{
    $output = (string) shell_exec("wrk -t 1 -c $connections -d {$seconds}s http://127.0.0.1:$port$path");
    $units = ['B' => 1, 'KB' => 1 << 10, 'MB' => 1 << 20, 'GB' => 1 << 30];
    if (!preg_match('~Transfer/sec:\s+([\d.]+)(\w+)~', $output, $found) || preg_match('/Non-2xx|Socket errors/', $output)) {
        fwrite(STDERR, "wrk failed for $path:\n$output");
        exit(1);
    }

    return $found[1] * $units[$found[2]];
}

/** Whether the share of the yardstick is at least the target, in words. */
function verdict(array $values, array $yardstick, float $target): string
{
    $ratios = array_map(static fn (float $value, float $by): float => $value / $by, $values, $yardstick);

    return sprintf('   at least %.2f: %s', $target, median($ratios) >= $target ? 'met' : 'not met');
}

/** The processor time that a process has used so far, in seconds. */
function processor_seconds(int $pid): float
{
    $fields = explode(' ', substr(strrchr((string) file_get_contents("/proc/$pid/stat"), ')'), 2));

    // Its own and the system's for it, in hundredths.
    return ($fields[11] + $fields[12]) / 100;
}

/** A folder of its own, removed with everything in it when the benchmark ends. */
function scratch_folder(): string
{
    $folder = sys_get_temp_dir() . '/igor-bench-' . getmypid();
    mkdir($folder, 0700);
    register_shutdown_function(static function () use ($folder): void {
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS),
            RecursiveIteratorIterator::CHILD_FIRST);
        foreach ($files as $file) {
            $file->isDir() && !$file->isLink() ? rmdir($file) : unlink($file);
        }
        rmdir($folder);
    });

    return $folder;
}

/** Resident memory of a process in bytes. */
function resident(int $pid): int
{
    preg_match('/^VmRSS:\s*(\d+) kB/m', (string) @file_get_contents("/proc/$pid/status"), $found);

    return (int) ($found[1] ?? 0) * 1024;
}
