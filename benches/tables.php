<?php

// make bench-docs: puts the numbers of a results file of make bench-vars into docs/benchmarks.md, between its two marks.
const MARKS = ['<!-- numbers of make bench-vars -->', '<!-- end of numbers -->'];

[, $results, $document] = $argv;
$result = json_decode((string) file_get_contents($results), true, 512, JSON_THROW_ON_ERROR);
$text = (string) file_get_contents($document);
$start = strpos($text, MARKS[0]);
$end = strpos($text, MARKS[1]);
if ($start === false || $end === false) {
    fwrite(STDERR, "writing the tables into $document failed: its marks are missing: " . implode(' ', MARKS) . "\n");
    exit(1);
}

function number(float $value): string
{
    return number_format($value, abs($value) >= 100 ? 0 : 2);
}

$tables = "Measured {$result['date']} at commit {$result['commit']} on {$result['machine']} ({$result['system']}), load {$result['load']}, "
    . "PHP {$result['php']}, {$result['rounds']} rounds.\n";
$section = null;
foreach ($result['measures'] as $measure) {
    if ($measure['section'] !== $section) {
        $section = $measure['section'];
        $tables .= "\n| $section | | ratio | spread | target | met |\n|---|---|---|---|---|---|\n";
    }
    $tables .= isset($measure['not measured'])
        ? "| {$measure['what']} | not measured: {$measure['not measured']} | | | | |\n"
        : sprintf("| %s | %s %s | %s | %s | %s | %s |\n", $measure['what'], number($measure['value']), $measure['unit'],
            isset($measure['ratio']) ? number($measure['ratio']) : '',
            isset($measure['spread_percent']) ? sprintf('± %.1f %%', $measure['spread_percent']) : '',
            $measure['target'] ?? '', isset($measure['met']) ? ($measure['met'] ? 'yes' : '**no**') : '');
}
$text = substr($text, 0, $start) . MARKS[0] . "\n\n$tables\n" . substr($text, $end);
file_put_contents($document, $text);
