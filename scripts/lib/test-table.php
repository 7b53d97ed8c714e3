<?php

// Generates from the tests a document that lists the tests of each line. A script that includes this file defines the
// lines: LETTER (`B` in `B12`), LINES (section => number => summary), PENDING (numbers without a test yet), DOCUMENT,
// TARGET (of make) and INTRODUCTION.

declare(strict_types=1);

/** Tests by line: line => file => names, `null` for all of the file. */
function find_tests(string $root): array
{
    $tests = [];
    foreach (['src', 'tests', 'phpt'] as $folder) {
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator("$root/$folder", FilesystemIterator::SKIP_DOTS));
        foreach ($files as $file) {
            $path = substr($file->getPathname(), strlen($root) + 1);
            $found = match ($file->getExtension()) {
                'rs' => tests_of_rust($path, file_get_contents($file->getPathname())),
                'phpt' => tests_of_phpt($path, file_get_contents($file->getPathname())),
                default => [],
            };
            foreach ($found as [$lines, $group, $test]) {
                foreach ($lines as $line) {
                    $tests[$line][$group][] = $test;
                }
            }
        }
    }
    return $tests;
}

/** @return list<array{list<int>, string, string}> lines, file, function */
function tests_of_rust(string $path, string $code): array
{
    $found = [];
    $is_all_tests = preg_match('~(^|/)tests/~', $path) && str_contains($code, '#[test]');
    if ($is_all_tests && preg_match_all('~^//! .*$~m', $code, $head)) {
        $lines = lines_named(implode("\n", $head[0]));
        if ($lines !== [] && !str_ends_with($path, '/main.rs')) {
            $found[] = [$lines, $path, 'all'];
        }
    }
    // A comment, attributes of which one makes the function a test, the function. Macros such as proptest! indent them.
    $test = '~((?:^[ \t]*///.*\n)+)((?:^[ \t]*#\[.*\]\n)+)[ \t]*(?:async )?fn (\w+)~m';
    preg_match_all($test, $code, $matches, PREG_SET_ORDER);
    foreach ($matches as [, $comment, $attributes, $name]) {
        if (str_contains($attributes, '#[test]') && ($lines = lines_named($comment)) !== []) {
            $found[] = [$lines, $path, $name];
        }
    }
    return $found;
}

/** @return list<array{list<int>, string, string}> lines, folder, test */
function tests_of_phpt(string $path, string $text): array
{
    $lines = lines_named(explode("\n", $text)[1]);
    return $lines === [] ? [] : [[$lines, dirname($path), basename($path, '.phpt')]];
}

/** The lines that a text names: with the letter B `B12`, and all from `B16 to B21`. */
function lines_named(string $text): array
{
    preg_match_all('/\b' . LETTER . '([1-9]\d*)(?: to ' . LETTER . '([1-9]\d*))?\b/', $text, $matches, PREG_SET_ORDER);
    $lines = [];
    foreach ($matches as $match) {
        array_push($lines, ...range((int) $match[1], (int) ($match[2] ?? $match[1])));
    }
    return array_values(array_unique($lines));
}

function table(array $tests): string
{
    $text = INTRODUCTION;
    foreach (LINES as $section => $lines) {
        $text .= "\n## $section\n\n| line | | tests |\n|---|---|---|\n";
        foreach ($lines as $number => $summary) {
            $text .= '| ' . LETTER . "$number | $summary | " . cell($tests[$number] ?? []) . " |\n";
        }
    }
    return $text;
}

function cell(array $groups): string
{
    if ($groups === []) {
        return 'being written';
    }
    ksort($groups);
    $parts = [];
    foreach ($groups as $path => $names) {
        sort($names);
        $names = array_map(static fn ($name) => $name === 'all' ? 'all' : "`$name`", array_unique($names));
        $parts[] = "[$path](../$path): " . implode(', ', $names);
    }
    return implode('<br>', $parts);
}

/** The errors in the tests, one sentence each. */
function problems(array $tests): array
{
    $known = array_merge(...array_map(array_keys(...), array_values(LINES)));
    $problems = [];
    foreach (array_diff($known, array_keys($tests), PENDING) as $line) {
        $problems[] = 'no test names ' . LETTER . "$line: write one, or name the line above the one that proves it";
    }
    foreach (array_diff(array_keys($tests), $known) as $line) {
        $where = array_key_first($tests[$line]);
        $problems[] = 'there is no line ' . LETTER . "$line, which {$tests[$line][$where][0]} in $where names";
    }
    foreach (array_intersect(PENDING, array_keys($tests)) as $line) {
        $problems[] = LETTER . "$line has tests now: take it out of the list of pending lines";
    }
    return $problems;
}

/** Writes the document, or checks it; returns the exit status. */
function write_or_check(string $root, bool $check): int
{
    $file = "$root/" . DOCUMENT;
    $tests = find_tests($root);
    $table = table($tests);
    $problems = problems($tests);
    if (!$check) {
        file_put_contents($file, $table);
    } elseif (!is_file($file) || file_get_contents($file) !== $table) {
        $problems[] = DOCUMENT . ' is not what the tests say: run `make ' . TARGET . '`';
    }
    foreach ($problems as $problem) {
        fwrite(STDERR, "error: $problem\n");
    }
    return $problems === [] ? 0 : 1;
}
