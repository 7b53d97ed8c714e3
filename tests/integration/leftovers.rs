//! What one request of an HTTP worker leaves to the next: the rows of the table in docs/http-workers.md. One client's
//! request sets each state, and the next request reads it.

use crate::common::{Igor, Request, Response, Server};
use serde_json::{Value, json};

fn worker(lines: &str) -> Igor {
    Igor::new().site(&format!(
        "root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\nworker {{$PHP_TESTS}}/worker.php 1 {{\n{lines}\n}}\n}}"
    ))
}

fn run(server: &Server, code: &str) -> Response {
    server.send(&Request::post("/worker.php?raw", code))
}

fn value(server: &Server, code: &str) -> Value {
    server.eval_in_worker(code).value()
}

/// Rows that are restored: the code that reads the state, and the code that changes it.
const PUT_BACK: &[(&str, &str, &str)] = &[
    ("libxml's error switch", "return libxml_use_internal_errors();", "libxml_use_internal_errors(true);"),
    (
        "libxml's errors",
        "return count(libxml_get_errors());",
        "libxml_use_internal_errors(true); simplexml_load_string('<secret');",
    ),
    ("libxml's last error", "return libxml_get_last_error();", "@simplexml_load_string('<secret');"),
    (
        "libxml's entity loader",
        "return libxml_get_external_entity_loader();",
        "libxml_set_external_entity_loader(fn () => null);",
    ),
    (
        "libxml_disable_entity_loader()",
        "file_put_contents(getenv('DIR') . '/x.xml', '<x/>'); return is_object(@simplexml_load_file(getenv('DIR') . '/x.xml'));",
        "@libxml_disable_entity_loader(true);",
    ),
    (
        "the last response's headers",
        "return function_exists('http_get_last_response_headers') ? http_get_last_response_headers() : null;",
        "@file_get_contents('http://SELF/classic/static.txt');",
    ),
    (
        "the default context",
        "return stream_context_get_options(stream_context_get_default());",
        "stream_context_set_default(['http' => ['header' => 'Authorization: secret']]);",
    ),
    (
        "options of the default context",
        "return stream_context_get_options(stream_context_get_default());",
        "stream_context_set_option(stream_context_get_default(), 'http', 'header', 'Authorization: secret');",
    ),
    (
        "a registered wrapper",
        "return in_array('left', stream_get_wrappers());",
        "class Left {} stream_wrapper_register('left', Left::class);",
    ),
    (
        "a restored wrapper",
        "return file_exists('file:///');",
        "stream_wrapper_unregister('file'); stream_wrapper_restore('file'); stream_wrapper_unregister('file');",
    ),
    ("an unregistered wrapper", "return file_exists('file:///');", "stream_wrapper_unregister('file');"),
    (
        "a registered filter",
        "return in_array('left', stream_get_filters());",
        "class F extends php_user_filter {} stream_filter_register('left', F::class);",
    ),
    ("mb_internal_encoding()", "return mb_internal_encoding();", "mb_internal_encoding('SJIS');"),
    ("mb_http_output()", "return mb_http_output();", "mb_http_output('SJIS');"),
    ("mb_detect_order()", "return mb_detect_order();", "mb_detect_order(['SJIS', 'UTF-8']);"),
    (
        "mb_regex_encoding()",
        "return function_exists('mb_regex_encoding') ? mb_regex_encoding() : null;",
        "function_exists('mb_regex_encoding') && mb_regex_encoding('SJIS');",
    ),
    ("mb_substitute_character()", "return mb_substitute_character();", "mb_substitute_character('entity');"),
    (
        "mb_regex_set_options()",
        "return function_exists('mb_regex_set_options') ? mb_regex_set_options() : null;",
        "function_exists('mb_regex_set_options') && mb_regex_set_options('iz');",
    ),
    (
        "mb_ereg_search_init()",
        "return function_exists('mb_ereg_search_getpos') ? mb_ereg_search_getpos() : null;",
        "function_exists('mb_ereg_search_init') && mb_ereg_search_init('a secret', 'secret') && mb_ereg_search();",
    ),
    ("strtok()", "return @strtok('/');", "strtok('a/secret', '/');"),
    ("preg_last_error()", "return preg_last_error();", "preg_match('/(?:\\D+|<\\d+>)*[!?]/', 'foobar foobar foobar');"),
    ("json_last_error()", "return json_last_error();", "json_decode('{');"),
    (
        "socket_last_error()",
        "return socket_last_error();",
        "@socket_connect(socket_create(AF_INET, SOCK_STREAM, 0), '127.0.0.1', 1);",
    ),
    (
        "intl_get_error_code()",
        "return intl_get_error_code();",
        "new IntlDateFormatter('en'); @locale_parse(str_repeat('x', 300));",
    ),
    (
        "mysqli_report()",
        "return class_exists('mysqli_driver') ? (new mysqli_driver)->report_mode : null;",
        "function_exists('mysqli_report') && mysqli_report(MYSQLI_REPORT_OFF);",
    ),
    (
        "mysqli_connect_errno()",
        "return function_exists('mysqli_connect_errno') ? [mysqli_connect_errno(), mysqli_connect_error()] : null;",
        "try { function_exists('mysqli_connect') && mysqli_connect('127.0.0.1', 'secret', 'x', 'x', 1); } catch (mysqli_sql_exception) {}",
    ),
    ("DateTime::getLastErrors()", "return DateTime::getLastErrors();", "date_create('a secret');"),
    (
        "stream_last_errors()",
        "return function_exists('stream_last_errors') ? count(stream_last_errors()) : null;",
        "@fopen('/nowhere/secret', 'r');",
    ),
    (
        "readdir()",
        "try { return @readdir(); } catch (TypeError $e) { return $e->getMessage(); }",
        "$GLOBALS['folder'] = opendir('/'); $GLOBALS['other'] = dir('/');",
    ),
    ("error_get_last()", "return error_get_last();", "@trigger_error('secret');"),
    (
        "the assertion callback",
        "return @assert_options(ASSERT_CALLBACK);",
        "@assert_options(ASSERT_CALLBACK, fn () => 1);",
    ),
    ("spl_autoload_extensions()", "return spl_autoload_extensions();", "spl_autoload_extensions('.left');"),
    ("the peak of memory", "return memory_get_peak_usage() < 40_000_000;", "str_repeat('x', 40_000_000);"),
    (
        "setlocale()",
        "return setlocale(LC_ALL, 0);",
        "setlocale(LC_ALL, 'C.UTF-8', 'C.utf8'); setlocale(LC_NUMERIC, 'C');",
    ),
    ("date_default_timezone_set()", "return date_default_timezone_get();", "date_default_timezone_set('Asia/Tokyo');"),
    ("umask()", "return umask();", "umask(0777 & ~umask());"),
    ("chdir()", "return getcwd();", "chdir('/');"),
    ("pcntl_async_signals()", "return pcntl_async_signals();", "pcntl_async_signals(true);"),
    (
        "ini_set()",
        "return [ini_get('precision'), ini_get('memory_limit')];",
        "ini_set('precision', 3); ini_set('memory_limit', '200M');",
    ),
    ("set_include_path()", "return get_include_path();", "set_include_path('/left');"),
    ("set_time_limit()", "return ini_get('max_execution_time');", "set_time_limit(77);"),
    ("error_reporting()", "return error_reporting();", "error_reporting(E_ERROR);"),
    ("ignore_user_abort()", "return ignore_user_abort();", "ignore_user_abort(true);"),
    (
        "iconv_set_encoding()",
        "return iconv_get_encoding('input_encoding');",
        "@iconv_set_encoding('input_encoding', 'SJIS');",
    ),
    ("bcscale()", "return bcscale();", "bcscale(7);"),
    ("mb_language()", "return mb_language();", "mb_language('Japanese');"),
    ("locale_set_default()", "return locale_get_default();", "locale_set_default('ja_JP');"),
    ("putenv()", "return getenv('LEFT');", "putenv('LEFT=1');"),
    ("the status", "return http_response_code();", "http_response_code(404);"),
    (
        "a head's callback",
        "return count(headers_list());",
        "header('a: b'); flush(); header_register_callback(fn () => header('left: 1'));",
    ),
];

/// Each row is read, changed, and read again by the next request.
#[test]
fn what_a_request_changes_is_put_back() {
    let server = worker("").start();
    for (row, look, change) in PUT_BACK {
        let change = change.replace("SELF", &server.address().to_string());
        let before = value(&server, look);
        let done = run(&server, &change);
        assert_ne!(done.status, 500, "{row}: {}", done.text());
        assert_eq!(value(&server, look), before, "{row}");
    }
    assert_eq!(server.log.count("restarting it"), 0, "all of that in one run");
}

/// Each request starts with the values that the script has set before its loop.
#[test]
fn what_the_boot_has_set_stays() {
    let boot = "libxml_use_internal_errors(true); mb_internal_encoding('SJIS'); date_default_timezone_set('Asia/Tokyo'); chdir('/');
        stream_context_set_default(['http' => ['header' => 'X: boot']]); spl_autoload_extensions('.boot'); mb_detect_order(['SJIS']);
        class Boot extends php_user_filter { public $context; } stream_wrapper_register('boot', Boot::class); stream_filter_register('boot', Boot::class);";
    let server = worker(&format!("env BOOT `{boot}`")).start();
    let look = "return [libxml_use_internal_errors(), mb_internal_encoding(), date_default_timezone_get(), getcwd(),
        stream_context_get_options(stream_context_get_default()), spl_autoload_extensions(), mb_detect_order(),
        in_array('boot', stream_get_wrappers()), in_array('boot', stream_get_filters()), in_array('left', stream_get_wrappers())];";
    let change = "libxml_use_internal_errors(false); mb_internal_encoding('UTF-8'); date_default_timezone_set('UTC'); chdir('/tmp');
        stream_context_set_default(['http' => ['header' => 'X: request'], 'ssl' => ['a' => 1]]); spl_autoload_extensions('.x'); mb_detect_order(['UTF-8']);
        stream_wrapper_unregister('boot'); stream_wrapper_register('left', Boot::class); stream_filter_register('left', Boot::class);";
    let before = value(&server, look);
    assert_eq!(
        before,
        json!([true, "SJIS", "Asia/Tokyo", "/", {"http": {"header": "X: boot"}}, ".boot", ["SJIS"], true, true, false])
    );
    for _ in 0..3 {
        assert_eq!(run(&server, change).status, 200);
        assert_eq!(value(&server, look), before);
    }
    assert_eq!(server.log.count("restarting it"), 0);
}

/// The context with which one client's request loads documents may hold its password.
#[test]
fn the_context_of_documents_ends_with_its_request() {
    let boot = "class Noted { public $context; function url_stat() { return []; } function stream_open($path, $mode, $options, &$opened) {
            $GLOBALS['noted'] = $this->context ? stream_context_get_options($this->context) : null; return false; } }
        stream_wrapper_register('noted', Noted::class);";
    let server = worker(&format!("env BOOT `{boot}`")).start();
    let load = "$GLOBALS['noted'] = 'not opened'; @simplexml_load_file('noted://x'); return $GLOBALS['noted'];";
    let before = value(&server, load);
    assert_ne!(before, "not opened");
    let set = "libxml_set_streams_context(stream_context_create(['noted' => ['password' => 'secret']]));";
    assert_eq!(value(&server, &format!("{set} {load}")), json!({"noted": {"password": "secret"}}));
    assert_eq!(value(&server, load), before);
}

/// A seed that one request sets must not let it know what the next one draws.
#[test]
fn seeds_end_with_their_request() {
    let server = worker("").start();
    for seed in ["mt_srand(1);", "srand(1);"] {
        let foreseen = value(&server, &format!("{seed} mt_rand(); return mt_rand();"));
        run(&server, &format!("{seed} mt_rand();"));
        assert_ne!(value(&server, "return mt_rand();"), foreseen, "{seed}");
    }
}

/// The encoding of a compressed answer is that of the client who asks.
#[test]
fn the_encoding_of_an_answer_is_its_own_clients() {
    let server = worker("").start();
    let print = Request::post("/worker.php?raw", "ob_start('ob_gzhandler'); echo str_repeat('x', 1000);");
    let packed = server.send(&print.clone().header("Accept-Encoding", "gzip"));
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(server.send(&print).text(), "x".repeat(1000));
}

/// What one request adds to the links of its page is not in those of the next one.
#[test]
fn the_rewriting_of_links_ends_with_its_request() {
    let server = worker("").start();
    let page = |name: &str| {
        run(&server, &format!("output_add_rewrite_var('{name}', '1'); echo '<form action=\"x.php\"></form>';")).text()
    };
    let (first, second) = (page("first"), page("second"));
    assert!(first.contains("\"first\""), "{first}");
    assert!(second.contains("\"second\"") && !second.contains("first"), "{second}");
}

/// With session.use_trans_sid the links of a page carry its client's session, and no other's.
#[test]
fn the_session_in_links_is_its_own_clients() {
    let server = worker("")
        .frankenphp(
            "php_ini session.save_path {$DIR}\nphp_ini session.use_trans_sid 1\nphp_ini session.use_only_cookies 0",
        )
        .start();
    let page = "session_start(); echo '<form action=\"x.php\"></form>'; header('Session: ' . session_id());";
    for _ in 0..3 {
        let answer = run(&server, page);
        let id = answer.header("session").expect("the session's name").to_owned();
        assert!(answer.text().contains(&format!("value=\"{id}\"")), "{id} is not in {}", answer.text());
    }
    assert_eq!(run(&server, "echo '<form action=\"x.php\"></form>';").text(), "<form action=\"x.php\"></form>");
}

/// Tick functions of a request are not called in the next one.
#[test]
fn tick_functions_end_with_their_request() {
    let server = worker("").start();
    run(&server, "register_tick_function(fn () => $state->ticks = ($state->ticks ?? 0) + 1);");
    assert_eq!(value(&server, "declare(ticks=1); $a = 1; $b = 2; return $state->ticks ?? 0;"), 0);
}

/// Session settings, and the handler of sessions, are the run's: frameworks set them once, with the first session.
#[test]
fn session_settings_stay_for_the_run() {
    let set = "if (!isset($state->sessions)) {
            $state->sessions = [];
            session_name('shop');
            ini_set('session.cookie_path', '/shop');
            session_set_save_handler(new class($state) implements SessionHandlerInterface {
                function __construct(private $state) {}
                function open(string $path, string $name): bool { return true; }
                function close(): bool { return true; }
                function read(string $id): string|false { return $this->state->sessions[$id] ?? ''; }
                function write(string $id, string $data): bool { $this->state->sessions[$id] = $data; return true; }
                function destroy(string $id): bool { return true; }
                function gc(int $max): int|false { return 0; }
            }, true);
        }";
    let server = worker("").start();
    let count = format!(
        "{set} session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; return [session_name(), $_SESSION['n']];"
    );
    let first = server.send(&Request::post("/worker.php", count.clone()));
    assert_eq!(first.json()["value"], json!(["shop", 1]));
    let cookie = first.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.starts_with("shop=") && cookie.contains("path=/shop"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap_or_default();
    for expected in 2..6 {
        let next = server.send(&Request::post("/worker.php", count.clone()).header("Cookie", cookie));
        assert_eq!(next.json()["value"], json!(["shop", expected]));
        assert_eq!(
            value(&server, "return [isset($_SESSION), session_id(), session_status() === PHP_SESSION_NONE];"),
            json!([false, "", true])
        );
    }
    assert_eq!(server.stop().log.lines().filter(|line| line.contains("Warning")).count(), 0);
}

/// PHP's own errors about a request do not reach the script's error handler, as in classic mode, where no handler is
/// set yet. One that throws, prints or exits cannot end the run.
#[test]
fn the_error_handler_sees_nothing_of_a_requests_start() {
    let boot = "set_error_handler(function (int $type, string $message) { echo 'HANDLED'; throw new ErrorException($message); });";
    let server = worker(&format!("env BOOT `{boot}`"))
        .frankenphp("php_ini max_input_vars 5\nphp_ini post_max_size 10K\nphp_ini max_file_uploads 1\nphp_ini max_input_nesting_level 3\nphp_ini upload_tmp_dir /nowhere")
        .start();
    let many: Vec<_> = (0..20).map(|number| format!("v{number}=1")).collect();
    let form = |body: &str| Request::form("/worker.php", body);
    let part = |boundary: &str| {
        Request::post("/worker.php", "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name=\"b\"; filename=\"b\"\r\n\r\n1\r\n--x--\r\n")
            .header("Content-Type", &format!("multipart/form-data{boundary}"))
    };
    let requests = [
        form(&many.join("&")),
        form(&format!("a={}", "x".repeat(12_000))),
        form("a[b][c][d][e]=1"),
        Request::get(&format!("/worker.php?{}", many.join("&"))),
        Request::get("/worker.php").header("Cookie", &many.join("; ")),
        part("; boundary=x"),
        part(""),
        part(&format!("; boundary={}", "x".repeat(6000))),
    ];
    for (number, request) in requests.iter().enumerate() {
        let response = server.send(request);
        assert!(!response.text().contains("HANDLED"), "request {number}: {}", response.text());
        assert_eq!(
            value(&server, "return $state->requests;"),
            2 * number + 2,
            "the run goes on after request {number}"
        );
    }
    let handled =
        run(&server, "try { trigger_error('mine'); } catch (ErrorException $e) { echo $e->getMessage(); }").text();
    assert_eq!(handled, "HANDLEDmine", "the handler is there again");
}

/// A form with the progress of an upload started the session before the request's code: what the script's handler printed was
/// in the answer, and what it threw ended the run.
#[test]
fn the_session_handler_sees_nothing_of_a_requests_start() {
    let boot = "class Down extends SessionHandler { function open(string $path, string $name): bool {
        if (isset($GLOBALS['down'])) { echo 'OPENED'; throw new Exception('down'); } return parent::open($path, $name); } }
        session_set_save_handler(new Down());";
    let server = worker(&format!("env BOOT `{boot}`")).frankenphp("php_ini session.save_path {$DIR}").start();
    assert_eq!(value(&server, "session_start(); session_write_close(); $GLOBALS['down'] = true; return 1;"), 1);
    let form = "--x\r\nContent-Disposition: form-data; name=\"PHP_SESSION_UPLOAD_PROGRESS\"\r\n\r\nkey\r\n--x\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\n1\r\n--x--\r\n";
    let upload = Request::post("/worker.php", form)
        .header("Cookie", "PHPSESSID=abcdefabcdefabcdefabcdefab")
        .header("Content-Type", "multipart/form-data; boundary=x");
    let answer = server.send(&upload);
    assert!(!answer.text().contains("OPENED"), "{}", answer.text());
    assert_eq!(
        value(&server, "return [$state->requests, ini_get('session.upload_progress.enabled')];"),
        json!([3, "0"])
    );
}

/// What code of the script throws while a session starts by itself ends its request alone.
#[test]
fn what_a_session_throws_at_a_requests_start_ends_its_request_alone() {
    let boot = "class Wakes { function __wakeup() { throw new Exception('wakes up'); } }";
    let server = worker(&format!("env BOOT `{boot}`"))
        .frankenphp("php_ini session.auto_start 1\nphp_ini session.save_path {$DIR}")
        .start();
    let in_session = |code: &str| {
        server.send(&Request::post("/worker.php", code).header("Cookie", "PHPSESSID=fedcbafedcbafedcbafedcba"))
    };
    assert_eq!(in_session("$_SESSION['of'] = new Wakes; return 1;").status, 200);
    assert_eq!(in_session("return 2;").status, 500);
    server.wait_log(&["Uncaught Exception: wakes up"]);
    assert_eq!(
        value(&server, "return $state->requests;"),
        2,
        "the run goes on, and the code of that request did not run"
    );
}

/// If a client disconnects while its answer is flushed, only the request ends.
#[test]
fn a_client_that_goes_while_the_script_flushes_ends_its_request_alone() {
    let server = worker("").admin().start();
    let endless = "register_shutdown_function(function () use ($state) { $state->ended = connection_aborted(); });
        try { while (true) { echo str_repeat('x', 10000); flush(); } } catch (Throwable) { $state->caught = true; }
        $state->after = true;";
    for round in 1..6 {
        let mut connection = server.connect();
        connection.write(&Request::post("/worker.php?raw", endless));
        assert_eq!(connection.read_head().status, 200);
        drop(connection);
        let look = "$seen = [$state->ended ?? null, isset($state->caught), isset($state->after), $state->requests]; unset($state->ended); return $seen;";
        assert_eq!(value(&server, look), json!([1, false, false, 2 * round]), "one run, no code after the flush");
    }
    assert_eq!(server.log.count("restarting it") + server.log.count("ERROR"), 0);
    let counted = server.ask_admin(&Request::get("/frankenphp/workers")).json()["http"][0].take();
    assert_eq!((&counted["crashes"], &counted["restarts"]), (&json!(0), &json!(0)), "{counted}");
}

/// The environment of the process is in `$_SERVER` of every request, as with php-fpm's `clear_env = no`; what the request
/// or the configuration says comes before it.
#[test]
fn the_environment_of_the_process_is_in_server() {
    let server = worker("env OVER block")
        .env("DATABASE_URL", "mysql://db")
        .env("OVER", "process")
        .env("QUERY_STRING", "process")
        .start();
    let look = "return [$_SERVER['DATABASE_URL'] ?? null, $_SERVER['OVER'] ?? null, $_SERVER['QUERY_STRING'], getenv('DATABASE_URL')];";
    assert_eq!(server.eval(look).value(), json!(["mysql://db", "process", "", "mysql://db"]));
    assert_eq!(value(&server, look), json!(["mysql://db", "block", "", "mysql://db"]));
    assert_eq!(value(&server, "$_SERVER['DATABASE_URL'] .= 'x'; unset($_SERVER['OVER']); return 1;"), 1);
    assert_eq!(value(&server, look), json!(["mysql://db", "block", "", "mysql://db"]));
}

/// The boot looks like a web request, as in FrankenPHP: otherwise frameworks that check there assume a command line.
#[test]
fn the_boot_looks_like_a_request() {
    let names = [
        "REQUEST_METHOD",
        "REQUEST_URI",
        "QUERY_STRING",
        "SERVER_PROTOCOL",
        "GATEWAY_INTERFACE",
        "SERVER_PORT",
        "REMOTE_ADDR",
        "HTTP_HOST",
        "SCRIPT_NAME",
        "PHP_SELF",
        "SERVER_NAME",
        "REQUEST_SCHEME",
        "CONTENT_TYPE",
        "HTTPS",
        "argv",
    ];
    let list = names.map(|name| format!("'{name}'")).join(", ");
    let boot = format!(
        "$state->boot = array_map(fn ($name) => $_SERVER[$name] ?? null, [{list}]); $state->method = getenv('REQUEST_METHOD');"
    );
    let server = worker(&format!("env BOOT `{boot}`")).start();
    assert_eq!(
        value(&server, "return $state->boot;"),
        json!([
            "GET",
            "/worker.php",
            "",
            "HTTP/1.1",
            "CGI/1.1",
            "80",
            "",
            "",
            "/worker.php",
            "/worker.php",
            "",
            "http",
            "",
            "",
            []
        ])
    );
    assert_eq!(
        value(
            &server,
            "return [$state->method, getenv('REQUEST_METHOD'), $_SERVER['REQUEST_METHOD'], getenv('SSL_CIPHER')];"
        ),
        json!(["GET", "POST", "POST", false])
    );
}
