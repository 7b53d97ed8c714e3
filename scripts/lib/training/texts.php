<?php

// Texts: a small markup language becomes HTML, words are counted, lines compared, a table of values is read and written.
declare(strict_types=1);

function inline(string $text): string
{
    $text = htmlspecialchars($text, ENT_NOQUOTES);
    $text = preg_replace(['/\*\*(.+?)\*\*/', '/(?<!\w)_(.+?)_(?!\w)/', '/`([^`]+)`/'], ['<b>$1</b>', '<i>$1</i>', '<code>$1</code>'], $text);

    return preg_replace_callback('/\[([^\]]+)\]\(([^)\s]+)\)/', static function (array $found): string {
        $parts = parse_url($found[2]);
        $class = isset($parts['host']) && $parts['host'] !== 'example.com' ? ' class="out"' : '';

        return sprintf('<a href="%s"%s>%s</a>', htmlspecialchars($found[2]), $class, $found[1]);
    }, $text);
}

function html(string $source): string
{
    $output = [];
    $list = false;
    foreach (preg_split('/\R/', $source) as $line) {
        if ($list && !str_starts_with($line, '- ')) {
            $output[] = '</ul>';
            $list = false;
        }
        if (preg_match('/^(#{1,3})\s+(.*)$/', $line, $found)) {
            $level = strlen($found[1]);
            $name = trim(preg_replace('/[^a-z0-9]+/', '-', strtolower($found[2])), '-');
            $output[] = "<h$level id=\"$name\">" . inline($found[2]) . "</h$level>";
        } elseif (str_starts_with($line, '- ')) {
            if (!$list) {
                $output[] = '<ul>';
                $list = true;
            }
            $output[] = '<li>' . inline(substr($line, 2)) . '</li>';
        } elseif (trim($line) !== '') {
            $output[] = '<p>' . inline(rtrim($line)) . '</p>';
        }
    }

    return implode("\n", $output);
}

/** What was added, removed and kept, by the longest common subsequence. */
function difference(array $old, array $new): array
{
    $lengths = array_fill(0, count($old) + 1, array_fill(0, count($new) + 1, 0));
    for ($i = count($old) - 1; $i >= 0; $i--) {
        for ($j = count($new) - 1; $j >= 0; $j--) {
            $lengths[$i][$j] = $old[$i] === $new[$j] ? $lengths[$i + 1][$j + 1] + 1 : max($lengths[$i + 1][$j], $lengths[$i][$j + 1]);
        }
    }
    $result = [];
    for ($i = $j = 0; $i < count($old) || $j < count($new);) {
        if ($i < count($old) && $j < count($new) && $old[$i] === $new[$j]) {
            $result[] = ' ' . $old[$i++];
            $j++;
        } elseif ($j < count($new) && ($i === count($old) || $lengths[$i][$j + 1] >= $lengths[$i + 1][$j])) {
            $result[] = '+' . $new[$j++];
        } else {
            $result[] = '-' . $old[$i++];
        }
    }

    return $result;
}

$source = '';
for ($i = 1; $i <= 8; $i++) {
    $source .= "# Part $i of *all*\n\nThe **quick** brown fox & the _lazy_ dog <$i> read `code $i` at [a page](https://example.com/?p=$i&q=ü).\n"
        . "Others are [elsewhere](http://example.org/$i#top), and 日本語 is text too.\n\n- one\n- **two** of $i\n- three\r\n\n";
}
$html = html($source);
echo $html, "\n";
$words = [];
foreach (str_word_count(strip_tags($html), 1) as $word) {
    $words[strtolower($word)] = ($words[strtolower($word)] ?? 0) + 1;
}
arsort($words);
foreach (array_slice($words, 0, 12, true) as $word => $count) {
    echo str_pad($word, 12, '.', STR_PAD_RIGHT), str_pad((string) $count, 4, ' ', STR_PAD_LEFT), ' ', levenshtein($word, 'the'), soundex($word), "\n";
}
$lines = explode("\n", wordwrap(strip_tags($html), 60));
$changed = $lines;
array_splice($changed, 5, 2, ['another line', 'and one more']);
unset($changed[9]);
echo implode("\n", difference(array_slice($lines, 0, 24), array_slice(array_values($changed), 0, 24))), "\n";
$table = [['id', 'name', 'value']];
for ($i = 0; $i < 40; $i++) {
    $table[] = [$i, "name, \"$i\"", $i * 1.5];
}
$file = fopen('php://memory', 'r+');
foreach ($table as $row) {
    fputcsv($file, $row, ',', '"', '');
}
rewind($file);
$head = fgetcsv($file, null, ',', '"', '');
while (($row = fgetcsv($file, null, ',', '"', '')) !== false) {
    $rows[] = array_combine($head, $row);
}
fclose($file);
array_multisort(array_column($rows, 'value'), SORT_DESC, SORT_NUMERIC, $rows);
echo count($rows), ' ', $rows[0]['name'], ' ', strtr('Hello all', ['Hello' => 'Bye', 'all' => 'you']), ' ', vsprintf('%05.1f|%-8s|%x', [2.345, 'abc', 255]), "\n";
echo mb_convert_case('straße und ÄPFEL', MB_CASE_TITLE), iconv('UTF-8', 'ISO-8859-1//TRANSLIT', 'äöü') === "\xe4\xf6\xfc" ? ' same' : ' other', "\n";
echo substr_count($html, '<p>'), ' ', strrpos($html, '</p>'), ' ', ltrim(strstr($html, '<ul>'), '<'), ' ', similar_text('World', 'Word'), "\n";
