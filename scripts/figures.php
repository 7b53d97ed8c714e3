<?php
// figures.php: measures the size and shape of the code, so that a change for the worse is seen. Run it from the root:
// php -n scripts/figures.php
//
// Production code: src without tests folders and without #[cfg(test)] modules at the end of files; c for the shim.
declare(strict_types=1);

chdir(dirname(__DIR__));

/** @return list<string> */
function files(string $folder, string $extension): array
{
    $found = [];
    foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS)) as $file) {
        if ($file->getExtension() === $extension && !preg_match('~/tests(/|\.rs$)~', $file->getPathname())) {
            $found[] = $file->getPathname();
        }
    }
    sort($found);
    return $found;
}

/** Lines of a file without its module of tests. @return list<string> */
function production(string $path): array
{
    return explode("\n", explode("#[cfg(test)]\nmod ", file_get_contents($path))[0]);
}

/** Line counts of the functions of a file whose bodies end with a brace in the column where they start. @return array<string, int> */
function functions(string $path, array $lines, string $start): array
{
    $found = [];
    foreach ($lines as $number => $line) {
        if (!preg_match($start, $line, $match) || str_ends_with(rtrim($line), ';')) {
            continue;
        }
        $indent = $match[1];
        for ($end = $number; $end < count($lines); $end++) {
            if (rtrim($lines[$end]) === $indent . '}' || ($end === $number && preg_match('~\}\s*$~', $line))) {
                $found["$path:" . ($number + 1)] = $end - $number + 1;
                break;
            }
            if ($end > $number && preg_match('~^' . $indent . '\S.*;$~', $lines[$end])) {
                break; // a declaration
            }
        }
    }
    return $found;
}

/** @param array<string, int> $counts */
function show(string $what, array $counts, int $bound): void
{
    asort($counts);
    $sorted = array_values($counts);
    $at = fn (float $part): int => $sorted[(int) ($part * (count($sorted) - 1))];
    $over = array_filter($counts, fn (int $lines): bool => $lines > $bound);
    printf("%s: %d; lines: median %d, p90 %d, max %d; over %d: %d\n", $what, count($sorted), $at(0.5), $at(0.9), end($sorted),
        $bound, count($over));
    foreach (array_reverse($over, true) as $place => $lines) {
        echo "    $lines  $place\n";
    }
}

[$rust, $c, $sizes, $unsafe, $reasoned, $public, $documented, $bare, $comments, $code] = [[], [], [], 0, 0, 0, 0, [], 0, 0];
foreach (files('src', 'rs') as $path) {
    $lines = production($path);
    $sizes[$path] = count($lines);
    $rust += functions($path, $lines, '~^(\s*)(?:pub(?:\([^)]*\))? )?(?:const )?(?:async )?(?:unsafe )?(?:extern "C" )?fn \w+~');
    foreach ($lines as $number => $line) {
        $comments += preg_match('~^\s*//~', $line);
        $code += preg_match('~^\s*(?!//)\S~', $line);
        $before = implode("\n", array_slice($lines, max(0, $number - 6), min(6, $number)));
        if (preg_match('~\bunsafe \{~', $line) && !preg_match('~^\s*//~', $line)) {
            $unsafe++;
            $reasoned += (int) str_contains($before . $line, 'SAFETY');
        }
        if (preg_match('~^\s*pub (?:const |async |unsafe )*(?:fn|struct|enum|trait|type|const|static) ~', $line)) {
            $public++;
            $has = preg_match('~///|#\[doc|#!\[~', implode("\n", array_slice($lines, max(0, $number - 7), min(7, $number))));
            $documented += $has;
            $bare = $has ? $bare : [...$bare, "$path:" . ($number + 1)];
        }
    }
}
foreach (files('c', 'c') as $path) {
    $lines = explode("\n", file_get_contents($path));
    $sizes[$path] = count($lines);
    $c += functions($path, $lines, '~^()(?!typedef|struct|enum|union|extern|#|/|\s|\}|\{)[A-Za-z_].*\([^;]*$~');
}
show('Rust functions', $rust, 70);
show('C functions', $c, 60);
show('files', $sizes, 500);
echo "unsafe blocks with a reason within six lines: $reasoned of $unsafe\n";
echo 'public items without documentation: ', $public - $documented, " of $public\n", implode(array_map(fn (string $place): string => "        $place\n", $bare));
printf("comment lines to code lines: %.2f\n", $comments / $code);
$conditions = (int) shell_exec("grep -lE 'PHP_VERSION_ID' c/*.c c/internal.h c/shim.h 2>/dev/null | wc -l");
echo "files with conditions on PHP's version besides compat.h: $conditions\n";
$subjects = explode("\n", trim((string) shell_exec('git log -400 --format=%s')));
$lengths = array_map('strlen', $subjects);
sort($lengths);
printf("commit subjects of the last %d: median %d letters; over 72: %d\n", count($lengths), $lengths[intdiv(count($lengths), 2)],
    count(array_filter($lengths, fn (int $length): bool => $length > 72)));
