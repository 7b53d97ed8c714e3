<?php

// An HTTP worker that changes, in each request, everything that a request must not leave to the next, to values that hold the
// secret of the client (`X-Secret`), and that shows first what it found. `tests/integration/leak_probe.rs` compares.

declare(ticks=1);

/** The states of PHP as a request finds them, by name. */
function found(): array
{
    $message = static function (callable $look): mixed {
        try {
            return $look();
        } catch (Throwable $thrown) {
            return $thrown->getMessage();
        }
    };
    $called = static fn (string $function, mixed ...$arguments): mixed
        => function_exists($function) ? $message(static fn () => @$function(...$arguments)) : null;
    $settings = ['precision', 'memory_limit', 'user_agent', 'error_prepend_string', 'arg_separator.output', 'max_execution_time',
        'include_path', 'default_charset', 'date.timezone', 'mbstring.language', 'intl.default_locale', 'bcmath.scale',
        'error_reporting', 'ignore_user_abort', 'sendmail_from', 'default_socket_timeout', 'serialize_precision'];
    return [
        'error_get_last' => error_get_last(),
        'libxml errors' => array_map(static fn ($error) => $error->message, libxml_get_errors()),
        'libxml last error' => libxml_get_last_error(),
        'libxml switch' => libxml_use_internal_errors(),
        'libxml loader' => $called('libxml_get_external_entity_loader'),
        'libxml disabled' => is_object(@simplexml_load_file(getenv('DIR') . '/probe.xml')),
        'response headers' => $called('http_get_last_response_headers'),
        'default context' => stream_context_get_options(stream_context_get_default()),
        'wrappers' => stream_get_wrappers(),
        'filters' => stream_get_filters(),
        'files' => file_exists('file:///'),
        'mb_internal_encoding' => mb_internal_encoding(),
        'mb_http_output' => mb_http_output(),
        'mb_detect_order' => mb_detect_order(),
        'mb_substitute_character' => mb_substitute_character(),
        'mb_regex_encoding' => $called('mb_regex_encoding'),
        'mb_regex_set_options' => $called('mb_regex_set_options'),
        'mb_ereg_search_getpos' => $called('mb_ereg_search_getpos'),
        'strtok' => @strtok('/'),
        'preg' => preg_last_error(),
        'json' => json_last_error(),
        'socket' => $called('socket_last_error'),
        'intl' => $called('intl_get_error_message'),
        'date' => DateTime::getLastErrors(),
        'mysqli' => [$called('mysqli_connect_errno'), $called('mysqli_connect_error')],
        'mysqli report' => class_exists('mysqli_driver') ? (new mysqli_driver())->report_mode : null,
        'readdir' => $message(static fn () => @readdir()),
        'assert' => @assert_options(ASSERT_CALLBACK),
        'spl_autoload_extensions' => spl_autoload_extensions(),
        'peak' => memory_get_peak_usage() < 24 << 20,
        'locale' => setlocale(LC_ALL, 0),
        'time zone' => date_default_timezone_get(),
        'umask' => umask(),
        'directory' => getcwd(),
        'async' => $called('pcntl_async_signals'),
        'alarm' => $called('pcntl_alarm', 0),
        'settings' => array_map('ini_get', array_combine($settings, $settings)),
        'environment' => [getenv('LEFT'), getenv('LEFT_1'), getenv('LEFT_2')],
        'status' => http_response_code(),
        'headers' => headers_list(),
        'buffers' => ob_get_level(),
        'session' => [session_id(), isset($_SESSION), session_status()],
        'seed' => in_array(mt_rand(), $GLOBALS['foreseen'], true),
        'ticks' => $message(static function () {
            $before = $GLOBALS['ticks'];
            $statements = 1;
            $statements++;
            return $GLOBALS['ticks'] - $before;
        }),
        // Each request's own function is called once, after it.
        'shut down' => $GLOBALS['shut'] === $GLOBALS['requests'],
        'headers sent' => headers_sent(),
        'aborted' => connection_status(),
        'stream errors' => function_exists('stream_last_errors') ? count(stream_last_errors()) : 0,
        'size' => filesize(getenv('DIR') . '/state'),
    ];
}

/** What belongs to the client of this request alone. */
function own(): array
{
    return [
        'server' => array_filter($_SERVER, is_string(...)),
        'input' => [$_GET, $_POST, $_COOKIE, $_REQUEST, $_FILES, file_get_contents('php://input')],
        'headers' => getallheaders(),
        'filtered' => [filter_input(INPUT_GET, 'secret'), filter_input(INPUT_POST, 'secret'), filter_input(INPUT_COOKIE, 'secret')],
        'upload' => isset($_FILES['file']) ? file_get_contents($_FILES['file']['tmp_name']) : null,
    ];
}

function change(string $secret, int $user): void
{
    @trigger_error($secret);
    libxml_use_internal_errors(true);
    simplexml_load_string("<$secret");
    libxml_set_streams_context(stream_context_create(['http' => ['header' => $secret]]));
    libxml_set_external_entity_loader(static fn () => null);
    @libxml_disable_entity_loader(true);
    if (isset($_SERVER['HTTP_X_FETCH'])) {
        // What costs more than all the rest.
        @file_get_contents("http://{$_SERVER['HTTP_X_FETCH']}/show.php?$secret");
        str_repeat('x', 32 << 20);
    }
    stream_context_set_default(['http' => ['header' => "Authorization: $secret"]]);
    mb_internal_encoding(['SJIS', 'EUC-JP'][$user]);
    mb_http_output(['SJIS', 'EUC-JP'][$user]);
    mb_detect_order([['SJIS', 'UTF-8'], ['EUC-JP']][$user]);
    mb_substitute_character(['entity', 'long'][$user]);
    mb_language(['Japanese', 'ko'][$user]);
    if (function_exists('mb_ereg_search_init')) {
        mb_regex_encoding(['SJIS', 'EUC-JP'][$user]);
        mb_regex_set_options(['iz', 'x'][$user]);
        mb_ereg_search_init($secret, 'secret');
        mb_ereg_search();
    }
    strtok("a/$secret", '/');
    preg_match('/x/u', "\xff");
    json_decode("{ $secret");
    if (function_exists('socket_connect')) {
        @socket_connect(socket_create(AF_INET, SOCK_STREAM, 0), '127.0.0.1', 1);
    }
    if (function_exists('locale_parse')) {
        @locale_parse(str_repeat('x', 300));
        locale_set_default(['ja_JP', 'ko_KR'][$user]);
    }
    date_create($secret);
    if (function_exists('mysqli_connect')) {
        mysqli_report(MYSQLI_REPORT_OFF);
        @mysqli_connect('127.0.0.1', $secret, $secret, $secret, 1);
    }
    $GLOBALS['folder'] = opendir(getenv('DIR'));
    @assert_options(ASSERT_CALLBACK, static fn () => $secret);
    spl_autoload_extensions(".$secret");
    setlocale($user === 0 ? LC_ALL : LC_NUMERIC, 'C.UTF-8', 'C.utf8');
    date_default_timezone_set(['Asia/Tokyo', 'Asia/Seoul'][$user]);
    umask([0007, 0070][$user]);
    chdir(['/', '/tmp'][$user]);
    if (function_exists('pcntl_alarm')) {
        pcntl_async_signals(true);
        pcntl_alarm(1000 + $user);
    }
    foreach (['user_agent', 'error_prepend_string', 'arg_separator.output', 'default_charset', 'sendmail_from'] as $setting) {
        ini_set($setting, $secret);
    }
    ini_set('precision', 3 + $user);
    ini_set('serialize_precision', 3 + $user);
    ini_set('default_socket_timeout', 70 + $user);
    ini_set('memory_limit', [200 << 20, 300 << 20][$user]);
    set_time_limit(100 + $user);
    error_reporting(E_ERROR << $user);
    ignore_user_abort(true);
    set_include_path("/$secret");
    if (function_exists('bcscale')) {
        bcscale(3 + $user);
    }
    putenv("LEFT=$secret");
    putenv("LEFT_" . ($user + 1) . "=$secret");
    mt_srand($user);
    register_tick_function(static fn () => $GLOBALS['ticks']++);
    register_shutdown_function(static function () use ($secret) {
        $GLOBALS['shut']++;
        echo "<!-- $secret -->";
    });
    session_id(md5($secret));
    session_start();
    $_SESSION['secret'] ??= $secret;
    header("X-Left-$user: $secret");
    header_register_callback(static fn () => header("X-Late-$user: $secret"));
    setcookie("left$user", $secret);
    http_response_code(201 + $user);
    output_add_rewrite_var($secret, '1');
    @file_put_contents(getenv('DIR') . '/state', str_repeat('x', 10));
    stream_filter_register("left.$secret", Left::class);
    stream_wrapper_register("left$user", Left::class);
    stream_wrapper_unregister('file');
}

class Left extends php_user_filter
{
    public $context;
}

$ticks = 0;
$shut = 0;
file_put_contents(getenv('DIR') . '/state', '1234567890');
file_put_contents(getenv('DIR') . '/probe.xml', '<x/>');
session_save_path(getenv('DIR'));
// What a request would draw next after the seed of the one before.
$foreseen = [];
foreach ([0, 1] as $seed) {
    mt_srand($seed);
    for ($draw = 0; $draw < 20; $draw++) {
        $foreseen[] = mt_rand();
    }
}

$handle = static function (): void {
    $found = found();
    $own = own();
    $GLOBALS['requests']++;
    change($_SERVER['HTTP_X_SECRET'], (int) $_SERVER['HTTP_X_USER']);
    ob_start(static fn (string $text): string => $text);
    echo json_encode(['found' => $found, 'own' => $own, 'session' => $_SESSION['secret']], JSON_PARTIAL_OUTPUT_ON_ERROR);
    echo '<form action="x.php"></form>';
};

$requests = 0;
while (frankenphp_handle_request($handle)) {
}
