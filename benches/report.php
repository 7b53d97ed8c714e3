<?php

/** What a measure must reach: at most, or at least, a number. */
final class Target
{
    private function __construct(private string $sign, private float $bound, private string $unit)
    {
    }

    public static function atMost(float $bound, string $unit = ''): self
    {
        return new self('<=', $bound, $unit);
    }

    public static function atLeast(float $bound, string $unit = ''): self
    {
        return new self('>=', $bound, $unit);
    }

    public function isMetBy(float $value): bool
    {
        return $this->sign === '<=' ? $value <= $this->bound : $value >= $this->bound;
    }

    public function __toString(): string
    {
        return rtrim("$this->sign " . rtrim(rtrim(number_format($this->bound, 2), '0'), '.') . " $this->unit");
    }
}

/** Collects measures, prints them as they come, and writes them down with machine and versions. */
final class Report
{
    /** @var list<array<string, mixed>> */
    private array $measures = [];
    private string $section = '';

    /** @param array<string, mixed> $conditions */
    public function __construct(private array $conditions)
    {
        foreach ($conditions as $name => $value) {
            printf("%-10s %s\n", $name, is_bool($value) ? ($value ? 'yes' : 'no') : $value);
        }
    }

    public function section(string $title): void
    {
        $this->section = $title;
        printf("\n%s\n", $title);
    }

    /** Something that was measured in rounds, beside a yardstick that was measured in the same rounds. */
    public function ratio(string $what, array $values, array $yardstick, ?Target $target = null, string $unit = 'ns'): void
    {
        $ratios = array_map(static fn (float $value, float $by): float => $value / $by, $values, $yardstick);
        $this->add($what, median($values), $unit, median($ratios), spread($ratios), $target);
    }

    /** Something that needs no yardstick: a count that repeats exactly, or a quantity that is a ratio already. */
    public function value(string $what, float $value, string $unit, ?float $ratio = null, ?Target $target = null): void
    {
        $this->add($what, $value, $unit, $ratio, null, $target);
    }

    public function missing(string $what, string $why): void
    {
        printf("  %-62s not measured: %s\n", $what, $why);
        $this->measures[] = ['section' => $this->section, 'what' => $what, 'not measured' => $why];
    }

    private function add(string $what, float $value, string $unit, ?float $ratio, ?float $spread, ?Target $target): void
    {
        $met = $target?->isMetBy($ratio ?? $value);
        printf("  %-62s %14s %-12s %10s %8s  %s\n", $what, number_format($value, $value < 1000 ? 1 : 0), $unit,
            $ratio === null ? '' : self::number($ratio), $spread === null ? '' : sprintf('±%.1f %%', $spread),
            $target === null ? '' : "$target: " . ($met ? 'met' : 'NOT MET'));
        $this->measures[] = ['section' => $this->section, 'what' => $what, 'value' => round($value, 3), 'unit' => $unit]
            + ($ratio === null ? [] : ['ratio' => round($ratio, 4)])
            + ($spread === null ? [] : ['spread_percent' => round($spread, 2)])
            + ($target === null ? [] : ['target' => (string) $target, 'met' => $met]);
    }

    /** The targets and whether they were reached. */
    public function summary(): void
    {
        printf("\n%-92s %10s %10s  %s\n", 'target', '', 'measured', 'met');
        foreach ($this->measures as $measure) {
            if (isset($measure['target'])) {
                printf("%-92s %10s %10s  %s\n", mb_strimwidth("{$measure['section']}: {$measure['what']}", 0, 92, '…'),
                    $measure['target'], self::number($measure['ratio'] ?? $measure['value']), $measure['met'] ? 'yes' : 'NO');
            } elseif (isset($measure['not measured'])) {
                printf("%-92s %10s %10s  %s\n", mb_strimwidth("{$measure['section']}: {$measure['what']}", 0, 92, '…'), '', '', 'not measured');
            }
        }
    }

    public function save(string $file): void
    {
        $json = json_encode($this->conditions + ['measures' => $this->measures],
            JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
        is_dir(dirname($file)) || mkdir(dirname($file), 0777, true);
        if (file_put_contents($file, "$json\n") === false) {
            fwrite(STDERR, "writing the results to $file failed\n");
            exit(1);
        }
        printf("\nresults: %s\n", $file);
    }

    public static function number(float $value): string
    {
        return number_format($value, abs($value) >= 100 ? 0 : 2);
    }
}

/** Where and with what was measured. */
function conditions(int $rounds): array
{
    preg_match('/^model name\s*:\s*(.+)$/m', (string) @file_get_contents('/proc/cpuinfo'), $cpu);
    preg_match('/^MemTotal:\s*(\d+) kB/m', (string) @file_get_contents('/proc/meminfo'), $memory);
    $git = static fn (string $command): string => trim((string) shell_exec('git -C ' . escapeshellarg(__DIR__) . " $command 2>/dev/null"));

    return [
        'date' => gmdate('Y-m-d H:i') . ' UTC',
        'commit' => ($git('rev-parse --short=12 HEAD') ?: 'unknown') . ($git('status --porcelain') === '' ? '' : ' with changes'),
        'machine' => sprintf('%s, %d cores, %.0f GiB', $cpu[1] ?? php_uname('m'), (int) shell_exec('nproc'), ($memory[1] ?? 0) / 2 ** 20),
        'system' => php_uname('s') . ' ' . php_uname('r') . ' ' . php_uname('m'),
        'php' => PHP_VERSION . (PHP_ZTS ? ' ZTS' : '') . (PHP_DEBUG ? ' debug' : ' release') . ', opcache on, no JIT',
        'load' => sprintf('%.1f at the start', sys_getloadavg()[0]),
        'rounds' => $rounds,
    ];
}
