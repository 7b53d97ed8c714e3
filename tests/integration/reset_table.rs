//! The table in docs/http-workers.md as a whole: what each row names is tested somewhere. Here are the rows that say "kept" and
//! "of the process", and those that need more than a look, a change and a look (leftovers.rs).

use crate::common::{Igor, Request, Server, php_tests, sources};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

fn server() -> Server {
    Igor::new()
        .frankenphp("num_threads 2\nphp_ini phar.readonly 0")
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/worker.php 1\n}")
        .start()
}

fn value(server: &Server, code: &str) -> Value {
    server.eval_in_worker(code).value()
}

/// What one client's request makes, and what the next one's finds.
fn assert_kept(server: &Server, rows: &[(&str, &str, Value)]) {
    for (make, look, found) in rows {
        assert_ne!(value(server, look), *found, "before {make}");
        assert_eq!(value(server, &format!("{make} return 1;")), 1, "{make}");
        assert_eq!(value(server, look), *found, "after {make}");
    }
    assert_eq!(server.log.count("restarting it"), 0, "all of that in one run");
}

#[test]
fn code_and_what_it_registers_is_kept() {
    let server = server();
    std::fs::write(server.path("code.php"), "<?php const INCLUDED = 1;").expect("a file");
    assert_kept(
        &server,
        &[
            ("class Kept { static $value = 0; }", "return class_exists('Kept');", json!(true)),
            ("function kept() { static $count = 0; return ++$count; }", "return function_exists('kept');", json!(true)),
            ("kept();", "return kept() > 2;", json!(true)),
            ("Kept::$value = 7;", "return Kept::$value;", json!(7)),
            ("define('KEPT', 1);", "return defined('KEPT');", json!(true)),
            ("require getenv('DIR') . '/code.php';", "return defined('INCLUDED');", json!(true)),
            ("$GLOBALS['kept'] = 1;", "return $GLOBALS['kept'] ?? null;", json!(1)),
            (
                "spl_autoload_register(function ($class) { if ($class === 'Later') { class Later {} } });",
                "return class_exists('Later');",
                json!(true),
            ),
            (
                "set_error_handler(fn () => $GLOBALS['seen'] = true);",
                "trigger_error('x'); return $GLOBALS['seen'] ?? null;",
                json!(true),
            ),
            (
                "set_exception_handler('strlen');",
                "$handler = set_exception_handler(null); set_exception_handler($handler); return $handler;",
                json!("strlen"),
            ),
            (
                "$phar = new Phar(getenv('DIR') . '/a.phar', 0, 'short'); $phar['f'] = 'text';",
                "return @file_get_contents('phar://short/f');",
                json!("text"),
            ),
        ],
    );
}

#[test]
fn signal_handlers_and_masks_are_kept() {
    assert_kept(
        &server(),
        &[
            (
                "pcntl_signal(SIGUSR2, fn () => $GLOBALS['signal'] = true);",
                "return pcntl_signal_get_handler(SIGUSR2) instanceof Closure;",
                json!(true),
            ),
            (
                "pcntl_sigprocmask(SIG_BLOCK, [SIGUSR1]);",
                "pcntl_sigprocmask(SIG_BLOCK, [SIGWINCH], $mask); return in_array(SIGUSR1, $mask);",
                json!(true),
            ),
        ],
    );
}

#[test]
fn connections_are_kept() {
    let server = server();
    let connect =
        format!("return stream_socket_get_name(pfsockopen('127.0.0.1', {}), false);", server.address().port());
    let first = value(&server, &connect);
    assert_eq!(value(&server, &connect), first, "the same socket");
    let own = connect.replace("pfsockopen", "fsockopen");
    assert_ne!(value(&server, &own), value(&server, &own));
}

/// They are numbers, which say nothing of the request that came before.
#[test]
fn numbers_of_errors_are_kept_where_phps_other_servers_keep_them() {
    assert_kept(
        &server(),
        &[
            ("posix_kill(-100000, 0);", "return posix_get_last_error();", json!(3)),
            ("@pcntl_getpriority(2147483647);", "return pcntl_get_last_error();", json!(3)),
            ("@openssl_pkey_get_private('no key');", "return openssl_error_string() !== false;", json!(true)),
            (
                "mb_convert_encoding(\"\\xff\", 'UTF-16', 'UTF-8');",
                "return mb_get_info('illegal_chars') > 0;",
                json!(true),
            ),
        ],
    );
}

/// Frameworks make them once, with the first session.
#[test]
fn each_setting_of_sessions_is_kept() {
    assert_kept(
        &server(),
        &[
            ("session_name('kept');", "return session_name();", json!("kept")),
            ("session_save_path('/kept');", "return session_save_path();", json!("/kept")),
            (
                "session_set_cookie_params(['path' => '/kept', 'httponly' => true]);",
                "return session_get_cookie_params()['path'];",
                json!("/kept"),
            ),
            (
                "session_save_path(getenv('DIR')); session_start(['gc_maxlifetime' => 77]); session_destroy();",
                "return ini_get('session.gc_maxlifetime');",
                json!("77"),
            ),
            (
                "ini_set('session.cookie_domain', 'kept.test');",
                "return ini_get('session.cookie_domain');",
                json!("kept.test"),
            ),
            (
                "session_set_save_handler(new class extends SessionHandler {}, false);",
                "return session_module_name();",
                json!("user"),
            ),
            ("session_module_name('files');", "return session_module_name();", json!("files")),
        ],
    );
}

/// The session itself never is.
#[test]
fn no_session_is_kept() {
    let server = server();
    let look = "return [session_id(), isset($_SESSION), session_status()];";
    let before = value(&server, look);
    value(
        &server,
        "session_save_path(getenv('DIR')); session_id('secret'); session_start(); $_SESSION['secret'] = 1; return 1;",
    );
    assert_eq!(value(&server, look), before);
    value(&server, "session_id('secret'); return 1;");
    assert_eq!(value(&server, look), before, "an id alone");
}

/// What the process or the thread has is no state of PHP's: it puts nothing back, here as in its other servers.
#[test]
fn what_is_of_the_thread_or_the_process_is_kept() {
    let server = server();
    let priority = "return pcntl_getpriority(0);";
    let usual = server.eval(priority).value().as_i64().expect("a number");
    // By the system's own list: PHP 8.2 reads no single limit. The number is that of RLIMIT_MSGQUEUE.
    let limit =
        "preg_match('/^Max msgqueue size +(\\d+)/m', file_get_contents('/proc/self/limits'), $m); return (int) $m[1];";
    assert_kept(
        &server,
        &[
            ("proc_nice(1);", priority, json!(usual + 1)),
            (&format!("pcntl_setpriority({}, 0);", usual + 2), priority, json!(usual + 2)),
            ("posix_setrlimit(12, 4096, 4096);", limit, json!(4096)),
        ],
    );
    assert_eq!(server.eval(limit).value(), 4096, "a classic thread");
    assert_eq!(server.eval(priority).value(), usual, "another thread has its own");
    // PHP 8.2 and 8.3 have no function for it.
    let one = "return function_exists('pcntl_getcpuaffinity') ? count(pcntl_getcpuaffinity()) : 0;";
    if value(&server, one).as_u64() > Some(1) {
        assert_kept(&server, &[("pcntl_setcpuaffinity(0, [pcntl_getcpuaffinity()[0]]);", one, json!(1))]);
    }
}

/// A client's alarm was one that the next client's request could end, or be ended by.
#[test]
fn an_alarm_ends_with_its_request() {
    let server = server();
    for _ in 0..2 {
        assert_eq!(value(&server, "return pcntl_alarm(3600);"), 0, "none is left");
    }
}

/// A file has changed between two requests.
#[test]
fn the_cache_of_file_states_ends_with_its_request() {
    let server = server();
    let file = server.path("file");
    let look = "return filesize(getenv('DIR') . '/file');";
    for length in [1, 5, 9] {
        std::fs::write(&file, "x".repeat(length)).expect("a file");
        assert_eq!(value(&server, look), length);
        assert_eq!(
            value(&server, "return is_file(getenv('DIR') . '/file') && stat(getenv('DIR') . '/file')['size'] > 0;"),
            true
        );
    }
    std::fs::remove_file(&file).expect("the file is there");
    assert_eq!(value(&server, "return file_exists(getenv('DIR') . '/file');"), false);
}

/// The name under which one client's request writes to the system's log is not the next one's.
#[test]
fn the_system_log_is_closed() {
    let server = server();
    value(&server, "openlog('left', LOG_PERROR, LOG_USER); syslog(LOG_ERR, 'the first'); return 1;");
    let first = server.wait_log(&["the first"]);
    assert!(first.contains("left"), "{first}");
    value(&server, "openlog('mine', LOG_PERROR, LOG_USER); return 1;");
    value(&server, "syslog(LOG_ERR, 'the second'); return 1;");
    let second = server.wait_log(&["the second"]);
    assert!(!second.contains("left") && !second.contains("mine"), "{second}");
}

/// The pattern and the text of a running search.
#[test]
fn a_search_in_hand_is_forgotten() {
    let server = server();
    if value(&server, "return function_exists('mb_ereg_search_init');") == json!(false) {
        // A PHP without the library of these functions has no such state.
        return;
    }
    let search = "return mb_ereg_search() ? mb_ereg_search_getregs() : false;";
    let set = "mb_ereg_search_init('a secret in a text', 'secret');";
    assert_eq!(value(&server, &format!("{set} {search}")), json!(["secret"]));
    value(&server, &format!("{set} return mb_ereg_search();"));
    assert_eq!(value(&server, search), false);
    // Nor is the pattern there for a text of the next client's.
    assert_eq!(value(&server, &format!("mb_ereg_search_init('a secret'); {search}")), false);
}

#[test]
fn a_shutdown_function_of_a_request_is_called_once() {
    let server = server();
    value(&server, "register_shutdown_function(fn () => $state->called = ($state->called ?? 0) + 1); return 1;");
    for _ in 0..3 {
        assert_eq!(value(&server, "return $state->called;"), 1);
    }
}

/// With `zlib.output_compression` each client gets the coding that it takes.
#[test]
fn compression_by_zlib_is_chosen_for_each_client() {
    let server = Igor::new()
        .frankenphp("php_ini zlib.output_compression 1")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 1\n}")
        .start();
    let print = Request::post("/worker.php?raw", "echo str_repeat('x', 1000);");
    for _ in 0..3 {
        let packed = server.send(&print.clone().header("Accept-Encoding", "gzip"));
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        let plain = server.send(&print);
        assert_eq!((plain.header("content-encoding"), plain.text()), (None, "x".repeat(1000)));
    }
}

// ---- The table ----------------------------------------------------------------------------------------------------

const LOOKED_AT: &str = "what_a_request_changes_is_put_back";
const CODE: &str = "code_and_what_it_registers_is_kept";

/// The rows, in the order of the document, and the tests that hold them.
const HELD: &[(&str, &[&str])] = &[
    (
        "superglobals, `php://input`, uploaded files, response head, output buffers",
        &[
            "superglobals_are_made_anew",
            "forms_and_uploads",
            "php_input_is_that_of_the_request",
            "headers_status_and_output_are_made_anew",
        ],
    ),
    ("settings", &[LOOKED_AT, "settings_of_a_request_end_with_it", "a_time_limit_is_that_of_one_request"]),
    ("session settings and handler", &["each_setting_of_sessions_is_kept", "session_settings_stay_for_the_run"]),
    ("the session", &["no_session_is_kept", "sessions"]),
    (
        "shutdown functions",
        &["a_shutdown_function_of_a_request_is_called_once", "shutdown_functions_belong_to_their_request"],
    ),
    ("tick functions", &["tick_functions_end_with_their_request"]),
    ("the callback of the response head", &[LOOKED_AT]),
    ("environment", &[LOOKED_AT, "what_a_request_puts_ends_with_it"]),
    ("working directory", &[LOOKED_AT]),
    ("time zone", &[LOOKED_AT]),
    ("encodings", &[LOOKED_AT]),
    ("a running search", &[LOOKED_AT, "a_search_in_hand_is_forgotten"]),
    ("default context of streams", &[LOOKED_AT]),
    ("stream wrappers", &[LOOKED_AT]),
    ("stream filters", &[LOOKED_AT]),
    ("libxml", &[LOOKED_AT, "the_context_of_documents_ends_with_its_request"]),
    ("what mysqli reports", &[LOOKED_AT]),
    ("last errors", &[LOOKED_AT]),
    ("the folder of `readdir()` without an argument", &[LOOKED_AT]),
    ("headers of the last response", &[LOOKED_AT]),
    ("rewriting of links", &["the_rewriting_of_links_ends_with_its_request"]),
    (
        "encoding of compressed answers",
        &["the_encoding_of_an_answer_is_its_own_clients", "compression_by_zlib_is_chosen_for_each_client"],
    ),
    ("random numbers", &["seeds_end_with_their_request"]),
    ("assertions", &[LOOKED_AT]),
    ("autoloaded extensions", &[LOOKED_AT]),
    ("asynchronous signals", &[LOOKED_AT]),
    ("alarm", &["an_alarm_ends_with_its_request"]),
    ("peak of memory", &[LOOKED_AT]),
    ("cache of file states", &["the_cache_of_file_states_ends_with_its_request"]),
    ("file mode mask", &[LOOKED_AT]),
    ("locale", &[LOOKED_AT]),
    ("system log", &["the_system_log_is_closed"]),
    ("code", &[CODE]),
    ("signal handlers and masks", &["signal_handlers_and_masks_are_kept"]),
    ("connections", &["connections_are_kept"]),
    ("numbers of errors that extensions keep", &["numbers_of_errors_are_kept_where_phps_other_servers_keep_them"]),
    ("counts of invalid text", &["numbers_of_errors_are_kept_where_phps_other_servers_keep_them"]),
    ("archives", &[CODE]),
    ("of the thread", &["what_is_of_the_thread_or_the_process_is_kept"]),
    ("of the process", &["what_is_of_the_thread_or_the_process_is_kept"]),
];

/// What a row names and no test calls, and why.
const NOT_CALLED: &[(&str, &str)] = &[
    ("pg_connect", "needs a running PostgreSQL"),
    (
        "mb_http_input",
        "is known only with mbstring.encoding_translation, and says no more than the name of an encoding",
    ),
    ("posix_setuid", "would take from the server the right to end its test"),
];

/// The functions in a cell: what is between backticks and ends with parentheses.
fn functions(cell: &str) -> Vec<&str> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|code| Some(code.split_once('(')?.0.rsplit([':', ' ']).next().unwrap_or_default())).collect()
}

#[test]
fn each_row_of_the_table_is_held_by_tests() {
    let root = php_tests().parent().expect("the project").to_owned();
    let document = std::fs::read_to_string(root.join("docs/http-workers.md")).expect("the document");
    let table = document.split("## What a request leaves to the next").nth(1).expect("the section");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with("| state"))
        .map_while(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .skip(2)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert!(rows.iter().all(|cells| cells.len() == 3), "three columns");
    let named: Vec<&str> = rows.iter().map(|cells| cells[0]).collect();
    assert_eq!(named, HELD.iter().map(|(row, _)| *row).collect::<Vec<_>>());

    let tests = tests_by_name(&root.join("tests/integration"));
    for (cells, (row, names)) in rows.iter().zip(HELD) {
        let texts: Vec<&str> = names
            .iter()
            .map(|name| tests.get(*name).unwrap_or_else(|| panic!("{row}: there is no test {name}")).as_str())
            .collect();
        for function in functions(cells[0]).into_iter().chain(functions(cells[1])) {
            let is_called = texts.iter().any(|text| text.contains(&format!("{function}(")));
            let is_excused = NOT_CALLED.iter().any(|(name, _)| *name == function);
            assert!(
                is_called != is_excused,
                "{row}: {function}() is called: {is_called}, listed as not called: {is_excused}"
            );
        }
    }
}

/// Each test with the text that it works with: its own, and the constants of its file.
fn tests_by_name(folder: &Path) -> BTreeMap<String, String> {
    let mut tests = BTreeMap::new();
    for file in sources(folder, "rs") {
        let text = std::fs::read_to_string(&file).expect("a source");
        let constants: String = text.split("\nconst ").skip(1).filter_map(|rest| rest.split("\n];").next()).collect();
        for test in text.split("#[test]\nfn ").skip(1) {
            let name = test.split('(').next().unwrap_or_default();
            let body = test.split("\n}").next().unwrap_or_default();
            let constants = if body.contains("PUT_BACK") { constants.as_str() } else { "" };
            tests.insert(name.to_owned(), format!("{body}{constants}"));
        }
    }
    tests
}
