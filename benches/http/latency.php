<?php

/** By how much the slowest hundredth of the requests may take longer than the median. */
const P99_OF_MEDIAN_MAX = 3.0;

/** Whether the slow requests at this load are not too slow. wrk waits for each response, so the load is approached by steps. */
function print_latency(string $name, array $measured, float $wanted, int $seconds): bool
{
    [$port, $path] = $measured;
    // So many that each waits several milliseconds, the unit of wrk's waits.
    $connections = (int) min(512, max(64, $wanted / 100));
    $delay = 1000 * $connections / $wanted;
    $ratios = [];
    for ($run = 0; $run < 6; $run++) {
        $output = (string) shell_exec(sprintf('DELAY=%.3f wrk -t 1 -c %d -d %ds --latency -s %s http://127.0.0.1:%d%s', $delay,
            $connections, $seconds, escapeshellarg(__DIR__ . '/paced.lua'), $port, $path));
        if (!preg_match('~Requests/sec:\s+([\d.]+)~', $output, $rate) || str_contains($output, 'Non-2xx')) {
            fwrite(STDERR, "wrk failed for $path:\n$output");
            exit(1);
        }
        [$median, $slow] = [milliseconds($output, '50%'), milliseconds($output, '99%')];
        // The first runs only find the wait that leads to the load.
        if ($run >= 3) {
            $ratios[] = $slow / $median;
        }
        $delay = max(0, $delay + 1000 * $connections * (1 / $wanted - 1 / $rate[1]));
    }
    $met = median($ratios) <= P99_OF_MEDIAN_MAX;
    printf("  %-56s %12.2f  median %.2f ms, 99th hundredth %.2f ms, at %.0f of %.0f requests/s   at most %.0f: %s\n",
        "$name at 70 % of its load: the slowest, of the median", median($ratios), $median, $slow, $rate[1], $wanted,
        P99_OF_MEDIAN_MAX, $met ? 'met' : 'not met');

    return $met;
}

function milliseconds(string $output, string $share): float
{
    preg_match('~' . preg_quote($share) . '\s+([\d.]+)(us|ms|s|m)\b~', $output, $found);

    return $found[1] * ['us' => 0.001, 'ms' => 1, 's' => 1000, 'm' => 60_000][$found[2]];
}
