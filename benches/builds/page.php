<?php

// A page that computes: a small language is read and run, texts are split and counted, records are filtered and sorted. A build with a
// profile must not have been trained with it.

final class Calculator
{
    /** @var list<array{string, string}> */
    private array $tokens;
    private int $at = 0;

    public function __construct(string $source, private array $variables)
    {
        preg_match_all('~\s*(?:(\d+(?:\.\d+)?)|([a-z]\w*)|([-+*/()%]))~A', $source, $found, PREG_SET_ORDER);
        foreach ($found as $token) {
            $this->tokens[] = match (true) {
                ($token[3] ?? '') !== '' => ['sign', $token[3]],
                ($token[2] ?? '') !== '' => ['name', $token[2]],
                default => ['number', $token[1]],
            };
        }
    }

    public function value(): float
    {
        return $this->sum();
    }

    private function sign(string ...$signs): ?string
    {
        [$kind, $text] = $this->tokens[$this->at] ?? ['end', ''];
        if ($kind !== 'sign' || !in_array($text, $signs, true)) {
            return null;
        }
        $this->at++;

        return $text;
    }

    private function sum(): float
    {
        $value = $this->product();
        while (($sign = $this->sign('+', '-')) !== null) {
            $value += $sign === '+' ? $this->product() : -$this->product();
        }

        return $value;
    }

    private function product(): float
    {
        $value = $this->factor();
        while (($sign = $this->sign('*', '/', '%')) !== null) {
            $by = $this->factor();
            $value = match ($sign) {
                '*' => $value * $by,
                '/' => $by == 0.0 ? 0.0 : $value / $by,
                '%' => $by == 0.0 ? 0.0 : fmod($value, $by),
            };
        }

        return $value;
    }

    private function factor(): float
    {
        if ($this->sign('(')) {
            $value = $this->sum();
            $this->sign(')');

            return $value;
        }
        if ($this->sign('-')) {
            return -$this->factor();
        }
        [$kind, $text] = $this->tokens[$this->at++] ?? ['number', '0'];

        return $kind === 'name' ? (float) ($this->variables[$text] ?? 0) : (float) $text;
    }
}

$sums = [];
foreach (range(1, 150) as $number) {
    $formula = "(a + $number) * (b - 3.5) / ($number % 7 + 1) - -c * ((a + b) % ($number + 2))";
    $sums["sum $number"] = (new Calculator($formula, ['a' => $number, 'b' => 2 * $number, 'c' => 0.25]))->value();
}

$text = str_repeat("One fish, two fish. Red fish; blue fish - and a THIRD one\tbehind them.\n", 12);
$words = [];
foreach (preg_split('/\W+/', $text, -1, PREG_SPLIT_NO_EMPTY) as $word) {
    $word = strtolower($word);
    $words[$word] ??= ['count' => 0, 'places' => []];
    $words[$word]['count']++;
    $words[$word]['places'][] = strpos($text, $word);
}
uasort($words, static fn (array $one, array $other): int => $other['count'] <=> $one['count'] ?: count($one['places']) - count($other['places']));

$records = [];
for ($i = 0; $i < 300; $i++) {
    $records[] = (object) ['id' => $i, 'name' => 'n' . $i * 7919 % 300, 'group' => $i % 9, 'price' => sqrt($i) * 3];
}
usort($records, static fn (object $one, object $other): int => [$one->group, $one->name] <=> [$other->group, $other->name]);
$groups = [];
foreach ($records as $record) {
    if ($record->price > 5) {
        $groups[$record->group][] = "$record->name: " . round($record->price, 2);
    }
}

$field = array_fill(0, 24, array_fill(0, 24, 0));
for ($step = 0; $step < 3; $step++) {
    foreach ($field as $y => $row) {
        foreach ($row as $x => $old) {
            $next[$y][$x] = (($row[$x - 1] ?? 1) + ($row[$x + 1] ?? 2) + ($field[$y - 1][$x] ?? 3) + ($field[$y + 1][$x] ?? 4) + $old) % 11;
        }
    }
    $field = $next;
}

foreach ($groups as $group => $lines) {
    echo "<h2>$group</h2><ul>", implode('', array_map(static fn (string $line): string => "<li>$line</li>", $lines)), "</ul>\n";
}
echo array_key_first($words), ' ', array_sum($sums), ' ', array_sum(array_map(array_sum(...), $field)), "\n";
