<?php
/**
 * One Caddyfile, two servers: makes the configuration of the cases, asks both servers, and compares what they answer.
 *
 *   php compare.php configuration CASES             prints the Caddyfile
 *   php compare.php ask CASES LIST CADDY IGOR       asks the servers at these two ports of the loopback interface
 *
 * CASES is a folder of files. A case starts with `=== NAME`, then come the lines of its site, a line `---`, and the requests:
 * a request line, then its header fields and, behind `< `, its body, each after a tab. LIST has the differences that are as they
 * should be: case, request, what differs and the reason, between tabs; `*` in the first three stands for anything. What differs
 * is STATUS, BODY, the name of a field, or, as a script saw it, `$_SERVER NAME`.
 */

const DEADLINE_SECONDS = 20;
/** How a message is cut into pieces and which server it is; both are the business of the connection. */
const IGNORED = ['connection', 'content-length', 'date', 'keep-alive', 'server', 'transfer-encoding'];
/** Each server makes these in its own way, so only their presence is compared. */
const OPAQUE = ['etag'];

/** @return array<string, array{lines: string, requests: list<array{head: string, fields: list<string>, body: string}>}> */
function cases(string $folder): array
{
    $cases = [];
    foreach (glob("$folder/*.txt") as $file) {
        foreach (preg_split('/^=== /m', file_get_contents($file), -1, PREG_SPLIT_NO_EMPTY) as $text) {
            [$name, $rest] = explode("\n", $text, 2);
            [$lines, $requests] = explode("\n---\n", $rest, 2);
            isset($cases[$name]) && throw new RuntimeException("$file: a second case $name");
            $cases[$name] = ['lines' => $lines, 'requests' => requests($requests)];
        }
    }
    return $cases;
}

/** @return list<array{head: string, fields: list<string>, body: string}> */
function requests(string $text): array
{
    $requests = [];
    foreach (explode("\n", rtrim($text)) as $line) {
        if (!str_starts_with($line, "\t")) {
            $requests[] = ['head' => $line, 'fields' => [], 'body' => ''];
        } elseif (str_starts_with($line, "\t< ")) {
            $requests[array_key_last($requests)]['body'] = substr($line, 3);
        } else {
            $requests[array_key_last($requests)]['fields'][] = substr($line, 1);
        }
    }
    return $requests;
}

function configuration(array $cases): string
{
    $text = "{\n\tadmin off\n\tauto_https off\n}\n\n(answer) {\n\trespond /{args.0} \"snippet {args.0}\"\n}\n";
    foreach ($cases as $name => $case) {
        $lines = preg_replace('/^(?=.)/m', "\t", $case['lines']);
        $text .= "\nhttp://$name.test:{\$PORT} {\n\tbind 127.0.0.1\n$lines\n}\n";
    }
    return $text;
}

/** The bytes of a request to a case. */
function message(string $name, array $request, int $port): string
{
    $message = "{$request['head']} HTTP/1.1\r\nHost: $name.test:$port\r\nConnection: close\r\n";
    $is_chunked = (bool) preg_grep('/^transfer-encoding: *chunked/i', $request['fields']);
    foreach ($request['fields'] as $field) {
        $message .= "$field\r\n";
    }
    $body = $request['body'];
    if ($is_chunked) {
        return "$message\r\n" . dechex(strlen($body)) . "\r\n$body\r\n0\r\n\r\n";
    }
    return $message . ($body === '' ? "\r\n" : 'Content-Length: ' . strlen($body) . "\r\n\r\n$body");
}

/** All that a server answers to these bytes; empty: it closes the connection. */
function answer(int $port, string $message): string
{
    $connection = stream_socket_client("tcp://127.0.0.1:$port", timeout: DEADLINE_SECONDS);
    stream_set_timeout($connection, DEADLINE_SECONDS);
    // A server may close the connection before it has read all.
    @fwrite($connection, $message);
    $answer = (string) @stream_get_contents($connection);
    $timed_out = stream_get_meta_data($connection)['timed_out'];
    return $timed_out ? 'HTTP/1.1 000 no answer within ' . DEADLINE_SECONDS . " s\r\n\r\n" : $answer;
}

/** The status, the fields and the body of a response, so that they can be compared. */
function parts(string $answer, int $port): array
{
    if ($answer === '') {
        return ['STATUS' => 'closed', 'BODY' => ''];
    }
    [$head, $body] = explode("\r\n\r\n", $answer, 2) + [1 => ''];
    $lines = explode("\r\n", str_replace(":$port", ':PORT', $head));
    $fields = [];
    foreach (array_slice($lines, 1) as $line) {
        [$name, $value] = explode(':', $line, 2) + [1 => ''];
        $fields[strtolower($name)][] = trim($value);
    }
    if (($fields['transfer-encoding'] ?? []) === ['chunked']) {
        $body = without_chunks($body);
    }
    $body = match ($fields['content-encoding'][0] ?? '') {
        'gzip' => @gzdecode($body),
        'zstd' => 'compressed by zstd',
        default => $body,
    };
    $parts = ['STATUS' => substr($lines[0], 9, 3)];
    foreach (array_diff_key($fields, array_flip(IGNORED)) as $name => $values) {
        $parts[$name] = in_array($name, OPAQUE, true) ? 'present' : implode(' | ', $values);
    }
    $body = str_replace(["\r\n", ":$port", (string) $port], ["\n", ':PORT', 'PORT'], (string) $body);
    if (in_array($parts['STATUS'], ['301', '302', '303', '307', '308'], true)) {
        // Go adds a page to a redirect, which no client shows.
        unset($parts['content-type']);
        return $parts;
    }
    $described = str_starts_with($body, '{"REQUEST_METHOD"') ? json_decode($body, true) : null;
    foreach ($described ?? ['BODY' => $body] as $name => $value) {
        $parts[$described === null ? $name : "\$_SERVER $name"] = $value;
    }
    return $parts;
}

function without_chunks(string $body): string
{
    $whole = '';
    while (preg_match('/^([0-9a-f]+)[^\r]*\r\n/i', $body, $found) && ($length = hexdec($found[1])) > 0) {
        $whole .= substr($body, strlen($found[0]), $length);
        $body = substr($body, strlen($found[0]) + $length + 2);
    }
    return $whole;
}

/** @return list<array{0: string, 1: string, 2: string, 3: string}> */
function known_differences(string $file): array
{
    $lines = preg_grep('/^[^#]/', file($file, FILE_IGNORE_NEW_LINES));
    return array_values(array_map(fn (string $line): array => explode("\t", $line, 4), $lines));
}

/** The number of the reason for a difference; null: there is none. */
function reason(array $known, string $case, string $request, string $what): ?int
{
    foreach ($known as $number => [$of_case, $of_request, $of_what]) {
        if (fnmatch($of_case, $case) && fnmatch($of_request, $request, FNM_NOESCAPE) && fnmatch($of_what, $what)) {
            return $number;
        }
    }
    return null;
}

function ask(array $cases, array $known, int $caddy, int $igor): int
{
    [$asked, $explained, $unexplained, $used] = [0, 0, 0, []];
    foreach ($cases as $name => $case) {
        foreach ($case['requests'] as $request) {
            $expected = parts(answer($caddy, message($name, $request, $caddy)), $caddy);
            $found = parts(answer($igor, message($name, $request, $igor)), $igor);
            $asked++;
            $line = trim($request['head'] . ' ' . implode(' ', $request['fields']));
            foreach (array_keys($expected + $found) as $what) {
                [$one, $other] = [$expected[$what] ?? null, $found[$what] ?? null];
                if ($one === $other) {
                    continue;
                }
                $number = reason($known, $name, $line, $what);
                if ($number !== null) {
                    $used[$number] = true;
                    $explained++;
                    continue;
                }
                $unexplained++;
                printf("differs: %s\t%s\t%s\n    caddy: %s\n    igor:  %s\n", $name, $line, $what, show($one), show($other));
            }
        }
    }
    $outdated = array_diff_key($known, $used);
    foreach ($outdated as $difference) {
        printf("no difference: %s\n", implode("\t", array_slice($difference, 0, 3)));
    }
    printf("%d cases, %d requests: %d differences with a reason, %d without\n", count($cases), $asked, $explained, $unexplained);
    return $unexplained + count($outdated) === 0 ? 0 : 1;
}

function show(?string $value): string
{
    return json_encode($value === null ? null : substr($value, 0, 600), JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE);
}

/** The cases with these names, and the differences of them; all without names. */
function chosen(array $cases, array $known, string $names): array
{
    if ($names === '') {
        return [$cases, $known];
    }
    $cases = array_intersect_key($cases, array_flip(explode(' ', $names)));
    return [$cases, array_values(array_filter($known, fn (array $difference): bool => isset($cases[$difference[0]])))];
}

if (($argv[1] ?? '') === 'configuration') {
    echo configuration(cases($argv[2]));
} else {
    [$cases, $known] = chosen(cases($argv[2]), known_differences($argv[3]), (string) getenv('CASES'));
    exit(ask($cases, $known, (int) $argv[4], (int) $argv[5]));
}
