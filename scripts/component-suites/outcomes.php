<?php
// Prints the outcome of each test of a JUnit file, one a line: class::test, a tab, and passed, failure, error or skipped.

$document = new DOMDocument();
$document->load($argv[1]) || exit(1);
$lines = [];
foreach ($document->getElementsByTagName('testcase') as $case) {
    $outcome = 'passed';
    foreach (['failure', 'error', 'warning', 'skipped'] as $tag) {
        $outcome = $case->getElementsByTagName($tag)->length > 0 ? $tag : $outcome;
    }
    $name = $case->getAttribute('class') . '::' . preg_replace('/[^\x20-\x7e]/', '?', $case->getAttribute('name'));
    $lines[] = "$name\t$outcome";
}
sort($lines);
echo implode("\n", $lines), "\n";
