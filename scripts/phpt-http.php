<?php

// Sends php-src's request tests to a running Igor over HTTP, each as a classic request and through a worker script that
// includes the test's file, and compares the answers as run-tests.php does. See phpt/README.md.
//
//   php scripts/phpt-http.php BINARY SOURCE [TEST…]
//
// BINARY is the program igor, SOURCE the unpacked source of the PHP that it was built with. A TEST is a .phpt file below
// SOURCE (default: all with a section of a request in the suites below). The exit status is 0 if every test that differs is
// listed in phpt/http-differences.txt.
//
// Environment:
//   SAMPLE     N: only some N of the tests, spread evenly (1 means 60)
//   VIA        nginx: the requests go through nginx, by FastCGI
//   PHPT_SHOW  1: shows the output of tests that differ

declare(strict_types=1);

const SUITES = ['tests/basic', 'tests/output', 'tests/security', 'tests/lang', 'ext/standard/tests', 'ext/session/tests', 'ext/filter/tests',
    'ext/mbstring/tests', 'ext/zlib/tests', 'Zend/tests'];
const REQUEST_SECTIONS = ['GET', 'POST', 'POST_RAW', 'PUT', 'COOKIE', 'HEADERS', 'GZIP_POST', 'DEFLATE_POST', 'EXPECTHEADERS'];
const SAMPLE_TESTS = 60;
const ANSWER_SECONDS_MAX = 20;
// The settings of run-tests.php for every test.
const SETTINGS = [
    'output_handler' => '', 'output_buffering' => '0', 'error_reporting' => '32767', 'display_errors' => '1',
    'display_startup_errors' => '1', 'log_errors' => '0', 'html_errors' => '0', 'docref_root' => '', 'docref_ext' => '.html',
    'error_prepend_string' => '', 'error_append_string' => '', 'auto_prepend_file' => '', 'auto_append_file' => '',
    'ignore_repeated_errors' => '0', 'precision' => '14', 'serialize_precision' => '-1', 'memory_limit' => '128M',
    'opcache.file_update_protection' => '0', 'opcache.revalidate_freq' => '0', 'zend.assertions' => '1',
    'zend.exception_ignore_args' => '0', 'zend.exception_string_param_max_len' => '15', 'short_open_tag' => '0',
];
// Serves one request and ends, because the next test may declare the same names.
const WORKER = <<<'PHP'
<?php
frankenphp_handle_request(static function (): void {
    $script = rawurldecode(explode('?', $_SERVER['REQUEST_URI'])[0]);
    $script = dirname(__FILE__) . preg_replace('~(\.php)/.*$~', '$1', $script);
    chdir(dirname($script));
    (static function (string $script): void {
        extract($GLOBALS, EXTR_REFS | EXTR_SKIP);
        include $script;
    })($script);
});
PHP;

function fail(string $message): never
{
    fwrite(STDERR, "error: $message\n");
    exit(1);
}

/** The sections of a test. */
function sections(string $file): array
{
    $sections = [];
    $name = null;
    foreach (preg_split('/(?<=\n)/', file_get_contents($file)) as $line) {
        if (preg_match('/^--([_A-Z]+)--\r?\n?$/', $line, $match)) {
            $name = $match[1];
            $sections[$name] = '';
        } elseif ($name !== null) {
            $sections[$name] .= $line;
        }
    }
    if (isset($sections['FILEEOF'])) {
        $sections['FILE'] = rtrim($sections['FILEEOF'], "\r\n");
    }
    foreach (['EXPECT', 'EXPECTF', 'EXPECTREGEX', 'FILE'] as $external) {
        if (isset($sections["{$external}_EXTERNAL"])) {
            $sections[$external] = file_get_contents(dirname($file) . '/' . trim($sections["{$external}_EXTERNAL"]));
        }
    }
    return $sections;
}

/** The settings of a test, by name. */
function settings(array $test, string $folder): array
{
    $settings = SETTINGS;
    $text = str_replace(['{PWD}', '{TMP}'], [$folder, sys_get_temp_dir()], $test['INI'] ?? '');
    foreach (preg_split('/\r?\n/', $text) as $line) {
        if (preg_match('/^\s*([^;=\s]+)\s*=\s*(.*?)\s*$/', $line, $match)) {
            $settings[$match[1]] = preg_replace('/^(["\'])(.*)\1$/', '$2', $match[2]);
        }
    }
    return $settings;
}

/** The lines of a request beyond its first one, and its body. */
function request_of(array $test): array
{
    $headers = ['Host: localhost', 'Connection: close'];
    $method = 'GET';
    $body = '';
    foreach (preg_split('/\r?\n/', trim($test['HEADERS'] ?? '')) as $line) {
        if (str_contains($line, ':')) {
            $headers[] = $line;
        }
    }
    if (isset($test['COOKIE'])) {
        $headers[] = 'Cookie: ' . preg_replace('/\s*\n\s*/', ' ', trim($test['COOKIE']));
    }
    if (isset($test['POST_RAW']) || isset($test['PUT'])) {
        $method = isset($test['PUT']) ? 'PUT' : 'POST';
        $raw = true;
        foreach (explode("\n", $test['PUT'] ?? $test['POST_RAW']) as $line) {
            if ($raw && preg_match('/^Content-Type:\s*(.*)/i', $line, $match)) {
                $headers[] = 'Content-Type: ' . rtrim($match[1]);
                continue;
            }
            $body .= ($raw ? '' : "\n") . $line;
            $raw = false;
        }
        // The end of the section's last line is not part of the body, as in run-tests.php.
        $body = preg_replace('/\n$/', '', $body);
    } elseif (isset($test['POST']) || isset($test['GZIP_POST']) || isset($test['DEFLATE_POST'])) {
        $method = 'POST';
        $body = trim($test['POST'] ?? $test['GZIP_POST'] ?? $test['DEFLATE_POST']);
        if (isset($test['GZIP_POST'])) {
            $body = gzencode($body, 9, FORCE_GZIP);
            $headers[] = 'Content-Encoding: gzip';
        } elseif (isset($test['DEFLATE_POST'])) {
            $body = gzcompress($body, 9);
            $headers[] = 'Content-Encoding: deflate';
        }
        $headers[] = 'Content-Type: application/x-www-form-urlencoded';
    }
    if ($method !== 'GET') {
        $headers[] = 'Content-Length: ' . strlen($body);
    }
    return [$method, $headers, $body];
}

/** Sends the request, and returns the header lines and the body. */
function ask(string $address, string $method, string $target, array $headers, string $body): array
{
    $stream = @stream_socket_client("tcp://$address", $code, $error, ANSWER_SECONDS_MAX);
    if ($stream === false) {
        return [[], "no connection: $error"];
    }
    stream_set_timeout($stream, ANSWER_SECONDS_MAX);
    fwrite($stream, "$method $target HTTP/1.1\r\n" . implode("\r\n", $headers) . "\r\n\r\n$body");
    $answer = '';
    while (!feof($stream)) {
        $piece = fread($stream, 65536);
        if ($piece === false || ($piece === '' && stream_get_meta_data($stream)['timed_out'])) {
            return [[], "$answer\nno end of the answer after " . ANSWER_SECONDS_MAX . ' s'];
        }
        $answer .= $piece;
    }
    [$head, $content] = explode("\r\n\r\n", $answer, 2) + [1 => ''];
    if (preg_match('/^transfer-encoding: chunked/im', $head)) {
        $content = unchunked($content);
    }
    return [explode("\r\n", $head), $content];
}

function unchunked(string $content): string
{
    $whole = '';
    while (preg_match('/^([0-9a-f]+)[^\r\n]*\r\n/i', $content, $match)) {
        $length = hexdec($match[1]);
        $whole .= substr($content, strlen($match[0]), $length);
        $content = substr($content, strlen($match[0]) + $length + 2);
    }
    return $whole;
}

/** The regular expression of an EXPECTF section. */
function pattern(string $expected): string
{
    $places = ['%e' => '[\\\\/]', '%s' => '[^\r\n]+', '%S' => '[^\r\n]*', '%a' => '.+?', '%A' => '.*?', '%w' => '\s*',
        '%i' => '[+-]?\d+', '%d' => '\d+', '%x' => '[0-9a-fA-F]+', '%f' => '[+-]?(?:\d+|(?=\.\d))(?:\.\d+)?(?:[Ee][+-]?\d+)?',
        '%c' => '.', '%0' => '\x00'];
    $pattern = '';
    foreach (preg_split('/(%r.*?%r)/s', $expected, -1, PREG_SPLIT_DELIM_CAPTURE) as $index => $part) {
        $pattern .= $index % 2 === 1 ? '(?:' . substr($part, 2, -2) . ')' : strtr(preg_quote($part, '~'), $places);
    }
    return "~^$pattern$~s";
}

function same_text(string $text): string
{
    return trim(str_replace("\r\n", "\n", $text));
}

/** Why the answer is not the expected one; null when it is. */
function difference(array $test, array $headers, string $body): ?string
{
    $body = same_text($body);
    $matches = match (true) {
        isset($test['EXPECTF']) => preg_match(pattern(same_text($test['EXPECTF'])), $body) === 1,
        isset($test['EXPECTREGEX']) => preg_match('~^' . str_replace('~', '\~', same_text($test['EXPECTREGEX'])) . '$~s', $body) === 1,
        default => same_text($test['EXPECT'] ?? '') === $body,
    };
    if (!$matches) {
        return "the answer:\n$body";
    }
    $sent = [];
    foreach ($headers as $line) {
        [$name, $value] = explode(':', $line, 2) + [1 => ''];
        $sent[strtolower(trim($name))][] = trim($value);
    }
    foreach (preg_split('/\r?\n/', trim($test['EXPECTHEADERS'] ?? '')) as $line) {
        if (!str_contains($line, ':')) {
            continue;
        }
        [$name, $value] = explode(':', $line, 2);
        $name = strtolower(trim($name));
        if ($name === 'status') {
            $ok = str_contains($headers[0], ' ' . explode(' ', trim($value))[0] . ' ');
        } else {
            $ok = in_array(trim($value), $sent[$name] ?? [], true)
                || preg_grep(pattern(trim($value)), $sent[$name] ?? []) !== [];
        }
        if (!$ok) {
            return "no header $line in\n" . implode("\n", $headers);
        }
    }
    return null;
}

/** A server with these settings over a folder. */
final class Server
{
    /** @var resource */
    private $process;
    /** @var ?resource */
    private $nginx = null;
    public readonly string $classic;
    public readonly string $worker;
    private string $log;

    public function __construct(string $binary, string $root, array $settings, int $workers)
    {
        $lines = '';
        foreach ($settings as $name => $value) {
            $lines .= "\t\tphp_ini $name \"" . addcslashes((string) $value, '"\\') . "\"\n";
        }
        $global = "{\n\tadmin off\n\tgrace_period 1s\n\tfrankenphp {\n\t\tnum_threads 2\n$lines\t}\n}\n";
        // Braces in a value would be read as placeholders of the configuration.
        file_put_contents("$root/Caddyfile", $global . ($this->isBehindNginx()
            ? "fastcgi://localhost {\n\tbind unix/$root/classic.sock\n\tphp\n}\n"
            . "fastcgi://localhost {\n\tbind unix/$root/worker.sock\n\tphp {\n\t\tworker $root/worker.php $workers\n\t}\n}\n"
            : "http://127.0.0.1:0 {\n\troot $root\n\tphp_server\n}\n"
            . "http://[::1]:0 {\n\troot $root\n\tphp_server {\n\t\tworker {\n\t\t\tfile $root/worker.php\n\t\t\tnum $workers\n\t\t\tmatch *\n\t\t}\n\t}\n}\n"));
        $this->log = "$root/log";
        $this->process = proc_open([$binary, 'run', '--config', "$root/Caddyfile"],
            [['file', '/dev/null', 'r'], ['file', "$root/out", 'w'], ['file', $this->log, 'w']], $pipes);
        $until = microtime(true) + 60;
        do {
            usleep(5000);
            if (preg_match_all('/listening .*address=(\S+)/', $this->log(), $found) >= 2) {
                if ($this->isBehindNginx()) {
                    $this->startNginx($root, $until);
                    return;
                }
                [$this->worker, $this->classic] = str_starts_with($found[1][0], '[') ? $found[1] : array_reverse($found[1]);
                return;
            }
        } while (proc_get_status($this->process)['running'] && microtime(true) < $until);
        $log = $this->log();
        $this->stop();
        throw new RuntimeException($log);
    }

    private function isBehindNginx(): bool
    {
        return getenv('VIA') === 'nginx';
    }

    /** nginx with a server for each mode. All requests of the second one run the script of the worker. */
    private function startNginx(string $root, float $until): void
    {
        $servers = '';
        foreach (['classic' => '$document_root$fastcgi_script_name', 'worker' => "$root/worker.php"] as $mode => $script) {
            $address = $this->{$mode} = self::freeAddress();
            $servers .= "server { listen $address; root $root; location / { include /etc/nginx/fastcgi_params;"
                . ' fastcgi_split_path_info ^(.+?\.php)(/.*)$; fastcgi_param PATH_INFO $fastcgi_path_info; fastcgi_param HTTP_HOST $http_host;'
                . " fastcgi_param SCRIPT_FILENAME $script; fastcgi_pass unix:$root/$mode.sock; } }\n";
        }
        is_dir("$root/nginx") || mkdir("$root/nginx");
        $folders = '';
        foreach (['client_body', 'fastcgi', 'proxy', 'uwsgi', 'scgi'] as $name) {
            $folders .= "{$name}_temp_path nginx/$name;\n";
        }
        // In the foreground it ends with the signal that its process gets.
        file_put_contents("$root/nginx.conf", "daemon off;\nmaster_process off;\npid $root/nginx/pid;\nerror_log $root/nginx/log;\n"
            . "events {}\nhttp {\naccess_log off;\nclient_max_body_size 0;\n$folders$servers}\n");
        $this->nginx = proc_open(['nginx', '-p', $root, '-c', "$root/nginx.conf"],
            [['file', '/dev/null', 'r'], ['file', "$root/nginx/out", 'w'], ['file', "$root/nginx/out", 'w']], $pipes);
        do {
            usleep(5000);
            $stream = @stream_socket_client("tcp://{$this->worker}");
        } while ($stream === false && proc_get_status($this->nginx)['running'] && microtime(true) < $until);
        $stream !== false || throw new RuntimeException('nginx: ' . file_get_contents("$root/nginx/out"));
    }

    /** An address of the loopback interface that nothing listens on. */
    private static function freeAddress(): string
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        return stream_socket_get_name($socket, false);
    }

    public function log(): string
    {
        return (string) file_get_contents($this->log);
    }

    public function stop(): void
    {
        foreach (array_filter([$this->nginx, $this->process]) as $process) {
            proc_terminate($process);
            proc_close($process);
        }
    }
}

/** The tests that are requests, by their paths below the source. */
function find_tests(string $source): array
{
    $found = [];
    foreach (SUITES as $suite) {
        foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator("$source/$suite")) as $file) {
            if ($file->getExtension() === 'phpt'
                && preg_match('/^--(' . implode('|', REQUEST_SECTIONS) . ')--\r?$/m', file_get_contents($file->getPathname()))) {
                $found[] = substr($file->getPathname(), strlen($source) + 1);
            }
        }
    }
    sort($found);
    return $found;
}

/** The listed differences: a reason for each test and mode. */
function listed(string $file): array
{
    $listed = [];
    foreach (file($file, FILE_IGNORE_NEW_LINES) as $line) {
        if ($line !== '' && $line[0] !== '#') {
            [$test, $mode, $reason] = explode(' ', $line, 3) + [1 => '', 2 => ''];
            $reason !== '' or fail("reading $file: $test has no reason");
            // What differs without nginx differs behind it too.
            foreach ($mode === '*' || $mode === 'nginx' ? ['classic', 'worker'] : [$mode] as $one) {
                if ($mode === 'nginx' && getenv('VIA') !== 'nginx') {
                    continue;
                }
                $listed["$test $one"] = $reason;
            }
        }
    }
    return $listed;
}

/** Why a test cannot be sent to a running server. */
function unfit(array $test): ?string
{
    foreach (['ARGS', 'STDIN', 'REDIRECTTEST', 'PHPDBG', 'CAPTURE_STDIO'] as $section) {
        if (isset($test[$section])) {
            return "--$section-- is for a program";
        }
    }
    if (isset($test['ENV'])) {
        return '--ENV-- is the environment of a process of its own';
    }
    return null;
}

function copy_folder(string $from, string $to): void
{
    is_dir($from) or fail("copying the tests: there is no $from");
    is_dir(dirname($to)) || mkdir(dirname($to), 0777, true);
    exec('cp -R ' . escapeshellarg($from) . ' ' . escapeshellarg($to), result_code: $code);
    $code === 0 or fail("copying the tests: cp ended with $code");
}

/** Runs a part of a test in the server, as a separate script. */
function run_beside(Server $server, string $root, string $path, string $code): string
{
    $script = preg_replace('/\.phpt$/', '.part.php', $path);
    file_put_contents("$root/$script", $code);
    $answer = ask($server->classic, 'GET', "/$script", ['Host: localhost', 'Connection: close'], '')[1];
    unlink("$root/$script");
    return $answer;
}

function main(array $arguments): int
{
    [$binary, $source] = [realpath($arguments[1] ?? ''), realpath($arguments[2] ?? '')];
    $binary && $source or fail('usage: php scripts/phpt-http.php BINARY SOURCE [TEST…]');
    $tests = array_slice($arguments, 3) ?: find_tests($source);
    $sample = (int) getenv('SAMPLE');
    if ($sample > 0) {
        $wanted = $sample === 1 ? SAMPLE_TESTS : $sample;
        $step = max(1, intdiv(count($tests), $wanted));
        $tests = array_values(array_filter($tests, static fn (int $index): bool => $index % $step === 0, ARRAY_FILTER_USE_KEY));
    }
    $listed = listed(dirname(__DIR__) . '/phpt/http-differences.txt');

    $root = sys_get_temp_dir() . '/igor-phpt-http-' . getmypid();
    mkdir($root);
    register_shutdown_function(static fn () => exec('rm -rf ' . escapeshellarg($root)));
    foreach (SUITES as $suite) {
        copy_folder("$source/$suite", "$root/$suite");
    }
    file_put_contents("$root/worker.php", WORKER);

    // One server for all tests with the same settings.
    $groups = [];
    $counts = ['passed' => 0, 'skipped' => 0, 'unfit' => 0, 'different' => 0];
    foreach ($tests as $path) {
        $test = sections("$root/$path");
        if (unfit($test) !== null || !isset($test['FILE'])) {
            $counts['unfit']++;
            continue;
        }
        $settings = settings($test, dirname("$root/$path"));
        $groups[serialize($settings)][] = $path;
    }
    $unknown = 0;
    foreach ($groups as $settings => $paths) {
        try {
            $server = new Server($binary, $root, unserialize($settings), 2);
        } catch (RuntimeException $error) {
            foreach ($paths as $path) {
                $counts['unfit']++;
                printf("  no server with the settings of %s: %s\n", $path, trim(strrchr("\n" . trim($error->getMessage()), "\n")));
            }
            continue;
        }
        foreach ($paths as $path) {
            $unknown += run_test($server, $root, $path, $listed, $counts);
        }
        $log = $server->log();
        $server->stop();
        if (preg_match('/panick|defect of igor/', $log)) {
            printf("  the server's log reports a defect:\n%s\n", $log);
            $unknown++;
        }
    }
    printf("%d tests in two modes: %d passed, %d skipped, %d unfit for a running server, %d different; %d not listed\n", count($tests),
        $counts['passed'], $counts['skipped'], $counts['unfit'], $counts['different'], $unknown);
    return $unknown === 0 ? 0 : 1;
}

/** Returns how many differences of the test are not listed. */
function run_test(Server $server, string $root, string $path, array $listed, array &$counts): int
{
    $test = sections("$root/$path");
    $needed = preg_split('/\s+/', trim($test['EXTENSIONS'] ?? ''), -1, PREG_SPLIT_NO_EMPTY);
    $skip = '';
    if ($needed !== []) {
        $skip = run_beside($server, $root, $path, '<?php foreach (' . var_export($needed, true)
            . ' as $name) if (!extension_loaded($name)) { echo "skip $name"; break; }');
    }
    if ($skip === '' && isset($test['SKIPIF'])) {
        $skip = trim(run_beside($server, $root, $path, $test['SKIPIF']));
    }
    if (stripos($skip, 'skip') === 0) {
        $counts['skipped'] += 2;
        return 0;
    }
    $unknown = 0;
    [$method, $headers, $body] = request_of($test);
    $script = preg_replace('/\.phpt$/', '.php', $path);
    // As a client encodes bytes that a request target may not contain.
    $encode = static fn (array $match): string => rawurlencode($match[0]);
    $query = isset($test['GET']) ? '?' . preg_replace_callback('/[^!$-;=?-\[\]_a-z~]/', $encode, trim($test['GET'])) : '';
    foreach (['classic' => $server->classic, 'worker' => $server->worker] as $mode => $address) {
        file_put_contents("$root/$script", $test['FILE']);
        [$sent, $answer] = ask($address, $method, "/$script$query", $headers, $body);
        $difference = difference($test, $sent, $answer);
        @unlink("$root/$script");
        if (isset($test['CLEAN'])) {
            run_beside($server, $root, $path, $test['CLEAN']);
        }
        $is_listed = isset($listed["$path $mode"]);
        // A test that is expected to fail in PHP proves nothing about Igor.
        if ($difference === null || isset($test['XFAIL'])) {
            $counts['passed']++;
            if ($is_listed) {
                printf("  listed, and passes now: %s (%s)\n", $path, $mode);
            }
            continue;
        }
        $counts['different']++;
        if (!$is_listed) {
            $unknown++;
            printf("  different: %s %s\n", $path, $mode);
            if (getenv('PHPT_SHOW')) {
                printf("%s\n--- expected\n%s\n---\n", $difference, $test['EXPECT'] ?? $test['EXPECTF'] ?? $test['EXPECTREGEX'] ?? '');
            }
        }
    }
    return $unknown;
}

exit(main($argv));
