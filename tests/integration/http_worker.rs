//! HTTP workers: one run of a script takes many requests by `frankenphp_handle_request()`.

use crate::common::{Igor, Request, Response, Server, wait_until};
use serde_json::{Value, json};
use std::fs;

/// One thread that runs `worker.php`, declared with these lines.
fn worker(lines: &str) -> Igor {
    Igor::new().site(&format!(
        "root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\nworker {{$PHP_TESTS}}/worker.php 1 {{\n{lines}\n}}\n}}"
    ))
}

fn server() -> Server {
    worker("").start()
}

/// Runs code that may print, exit or fail.
fn run(server: &Server, code: &str) -> Response {
    server.send(&Request::post("/worker.php?raw", code))
}

/// The number of requests of the answering script's run.
fn requests(server: &Server) -> Value {
    server.eval_in_worker("return $state->requests;").value()
}

/// B56
#[test]
fn a_script_takes_many_requests() {
    let server = server();
    let mut connection = server.connect();
    for number in 1..200 {
        let response = connection.send(&Request::post("/worker.php", "return $state->requests;"));
        assert_eq!(response.json()["value"], number);
    }
    assert_eq!(server.eval("return isset($state);").value(), false, "other scripts are classic");
}

/// B56
#[test]
fn superglobals_are_made_anew() {
    let server = server();
    let look = "return [$_GET, $_POST, $_COOKIE, $_REQUEST, $_SERVER['HTTP_X_ONE'] ?? null, $_SERVER['PHP_AUTH_USER'] ?? null,
                        $_SERVER['REQUEST_METHOD'], $_SERVER['QUERY_STRING'], $_SERVER['CHANGED'] ?? null, count($_FILES)];";
    let full = Request::post("/worker.php?a=1", format!("$_SERVER['CHANGED'] = $_GET['b'] = $_POST['c'] = 1; {look}"))
        .header("Cookie", "c=2")
        .header("X-One", "1")
        .header("Authorization", "Basic dTpw");
    let seen = server.send(&full).json()["value"].take();
    assert_eq!(
        seen,
        json!([{"a": "1", "b": 1}, {"c": 1}, {"c": "2"}, {"a": "1", "c": "2"}, "1", "u", "POST", "a=1", 1, 0])
    );
    let bare = server.send(&Request::post("/worker.php", look)).json()["value"].take();
    assert_eq!(bare, json!([[], [], [], [], null, null, "POST", "", null, 0]));
}

/// B56
#[test]
fn forms_and_uploads() {
    let server = Igor::new()
        .file("form.php", FORM_WORKER)
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/form.php 1\n}")
        .start();
    let body = "--limit\r\nContent-Disposition: form-data; name=\"field\"\r\n\r\nvalue\r\n\
                --limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\ncontent\r\n--limit--\r\n";
    let upload = Request::post("/form.php", body).header("Content-Type", "multipart/form-data; boundary=limit");
    for number in 0..20 {
        let form = server.send(&Request::form(&format!("/form.php?n={number}"), &format!("m={number}"))).json();
        assert_eq!(form["post"], json!({"m": number.to_string()}));
        assert_eq!((&form["get"]["n"], &form["files"]), (&json!(number.to_string()), &json!([])));
        let seen = server.send(&upload).json();
        assert_eq!((&seen["post"], &seen["content"]), (&json!({"field": "value"}), &json!("content")));
        let path = seen["files"]["file"]["tmp_name"].as_str().expect("the file has a place").to_owned();
        wait_until("the end of the uploaded file", || !fs::exists(&path).expect("the place can be looked at"));
    }
}

const FORM_WORKER: &str = r"<?php
while (frankenphp_handle_request(function () {
    $file = $_FILES['file']['tmp_name'] ?? null;
    $content = $file !== null && is_uploaded_file($file) ? file_get_contents($file) : null;
    echo json_encode(['get' => $_GET, 'post' => $_POST, 'files' => $_FILES, 'content' => $content]);
}));
";

/// B56
#[test]
fn php_input_is_that_of_the_request() {
    let server = server();
    for length in [10, 100_000, 0, 3_000_000, 1] {
        let code = format!(
            "return strlen(file_get_contents('php://input')) === strlen($code) ? strlen($code) : -1; //{}",
            "x".repeat(length)
        );
        let expected = code.len();
        assert_eq!(server.eval_in_worker(&code).value(), expected);
    }
}

/// B56
#[test]
fn headers_status_and_output_are_made_anew() {
    let server = server();
    let first = run(
        &server,
        "http_response_code(404); header('X-One: 1'); header('Content-Type: text/css'); echo 'a'; ob_start(); echo 'b';",
    );
    assert_eq!((first.status, first.text().as_str(), first.header("x-one")), (404, "ab", Some("1")));
    let second = run(&server, "echo ob_get_level(), '|', implode(',', preg_grep('/x-one/i', headers_list()));");
    assert_eq!((second.status, second.text().as_str(), second.header("x-one")), (200, "0|", None));
    assert!(second.header("content-type").is_some_and(|value| value.starts_with("text/html")));
    let callback = run(&server, "ob_start(fn ($text) => strtoupper($text)); echo 'shout';");
    assert_eq!(callback.text(), "SHOUT");
    assert_eq!(run(&server, "header('Location: /x');").status, 303);
    assert_eq!(run(&server, "").status, 200);
}

/// B56
#[test]
fn settings_of_a_request_end_with_it() {
    let server = worker("env BOOT \"ini_set('precision', 5);\"").start();
    let look = "return [ini_get('precision'), ini_get('serialize_precision'), error_reporting() === E_ALL, ini_get('memory_limit') === '200M'];";
    let before = server.eval_in_worker(look).value();
    assert_eq!(before[0], "5", "what the boot set stays");
    let change = "ini_set('precision', 7); ini_set('serialize_precision', 3); error_reporting(0); ini_set('memory_limit', '200M'); ini_set('precision', 8);";
    let restore = "ini_restore('precision'); ini_set('serialize_precision', 3);";
    for change in [change, restore, change] {
        server.eval_in_worker(change).value();
        assert_eq!(server.eval_in_worker(look).value(), before);
    }
}

/// B56
#[test]
fn shutdown_functions_belong_to_their_request() {
    let server =
        worker("env BOOT \"register_shutdown_function(fn () => touch(getenv('DIR') . '/boot-ended'));\"").start();
    let first = run(&server, "register_shutdown_function(function () { echo ' end'; }); echo 'first';");
    assert_eq!(first.text(), "first end");
    assert_eq!(run(&server, "echo 'second';").text(), "second");
    assert!(!server.path("boot-ended").exists(), "what the boot registered runs at the end of the script");
    let ended = server.path("boot-ended");
    run(&server, "exit;");
    wait_until("the boot's shutdown function", || ended.exists());
}

/// B56
#[test]
fn sessions() {
    let server = worker("").frankenphp("php_ini session.save_path {$DIR}").start();
    let count = "session_start(); $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1; return [$_SESSION['count'], session_id() !== ''];";
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let first = server.send(&Request::post("/worker.php", count));
        assert_eq!(first.json()["value"], json!([1, true]));
        cookies
            .push(first.header("set-cookie").and_then(|value| value.split(';').next()).expect("a cookie").to_owned());
    }
    assert_ne!(cookies[0], cookies[1]);
    for expected in 2..6 {
        for cookie in &cookies {
            let next = server.send(&Request::post("/worker.php", count).header("Cookie", cookie));
            assert_eq!(next.json()["value"], json!([expected, true]));
        }
    }
    assert_eq!(
        server.eval_in_worker("return [session_status() === PHP_SESSION_NONE, isset($_SESSION)];").value(),
        json!([true, false])
    );
}

/// B56: session.auto_start opens the session of the new request, never that of the previous one.
#[test]
fn sessions_that_start_by_themselves() {
    let server = worker("").frankenphp("php_ini session.save_path {$DIR}\nphp_ini session.auto_start 1").start();
    let login = server.send(&Request::post("/worker.php?raw", "$_SESSION['user'] = 'alice'; http_response_code(302);"));
    assert_eq!((login.status, login.text().as_str()), (302, ""));
    let cookie = login.header("set-cookie").and_then(|value| value.split(';').next()).expect("a cookie").to_owned();
    let look =
        Request::post("/worker.php", "return [session_status() === PHP_SESSION_ACTIVE, $_SESSION['user'] ?? null];");
    assert_eq!(server.send(&look).json()["value"], json!([true, null]), "another client");
    for _ in 0..2 {
        let again = look.clone().header("Cookie", &cookie);
        assert_eq!(server.send(&again).json()["value"], json!([true, "alice"]));
        assert_eq!(server.send(&look).json()["value"], json!([true, null]));
    }
    assert_eq!(server.stop().log.lines().filter(|line| line.contains("Warning")).count(), 0);
}

/// B56
#[test]
fn session_handlers_of_the_boot_stay() {
    let server = Igor::new()
        .file("handler.php", SESSION_WORKER)
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/handler.php 1\n}")
        .start();
    for expected in 1..10 {
        assert_eq!(
            server.send(&Request::get("/handler.php").header("Cookie", "PHPSESSID=abc")).text(),
            expected.to_string()
        );
    }
}

const SESSION_WORKER: &str = r"<?php
class Memory implements SessionHandlerInterface {
    public array $all = [];
    function open(string $path, string $name): bool { return true; }
    function close(): bool { return true; }
    function read(string $id): string|false { return $this->all[$id] ?? ''; }
    function write(string $id, string $data): bool { $this->all[$id] = $data; return true; }
    function destroy(string $id): bool { unset($this->all[$id]); return true; }
    function gc(int $max): int|false { return 0; }
}
session_set_save_handler(new Memory(), true);
while (frankenphp_handle_request(function () {
    session_start();
    echo $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
}));
";

/// B58
#[test]
fn exit_in_a_request_answers_it_and_restarts_the_script() {
    let server = server();
    assert_eq!(requests(&server), 1);
    let response = run(&server, "echo 'printed'; exit;");
    assert_eq!((response.status, response.text().as_str()), (200, "printed"));
    assert_eq!(requests(&server), 1, "the script was started anew");
    let response = run(&server, "http_response_code(202); exit(7);");
    assert_eq!(response.status, 202);
    assert_eq!(requests(&server), 1);
}

/// B58
#[test]
fn what_ends_a_request_badly_is_a_500_and_the_script_is_restarted() {
    let cases = [
        ("throw new DomainException('nobody catches me');", "Uncaught DomainException: nobody catches me"),
        ("class A {} eval('class A {}');", "Cannot"),
        (
            "ini_set('memory_limit', '8M'); $all = []; while (true) { $all[] = str_repeat('x', 4096); }",
            "Allowed memory size",
        ),
        ("set_time_limit(1); while (true);", "Maximum execution time of 1 second exceeded"),
        (
            "ini_set('memory_limit', '64M'); $f = function () use (&$f) { return 1 + $f(); }; $f();",
            "Allowed memory size",
        ),
        ("register_shutdown_function(fn () => throw new DomainException('late'));", "Uncaught DomainException: late"),
    ];
    let server = server();
    for (code, message) in cases {
        let response = run(&server, code);
        assert_eq!((response.status, response.text().as_str()), (500, ""), "{code}");
        server.wait_log(&["ERROR", message]);
        assert_eq!(requests(&server), 1, "the script was started anew after {code}");
    }
}

/// B58
#[test]
fn what_was_printed_before_a_failure_is_delivered() {
    let server = server();
    let response = run(&server, "echo 'printed'; flush(); throw new DomainException('too late');");
    assert_eq!((response.status, response.text().as_str()), (200, "printed"));
    assert_eq!(requests(&server), 1);
}

/// B58
#[test]
fn requests_that_wait_survive_the_failure_of_the_one_before() {
    let server = server();
    let mut failing = server.connect();
    failing.write(&Request::post("/worker.php?raw", "touch(getenv('DIR') . '/started'); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } throw new Error('x');"));
    wait_until("the failing request", || server.path("started").exists());
    let mut waiting: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for connection in &mut waiting {
        connection.write(&Request::post("/worker.php", "return 'fine';"));
    }
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(failing.read(false).status, 500);
    for connection in &mut waiting {
        assert_eq!(connection.read(false).json()["value"], "fine");
    }
}

/// B56: code that is compiled once; each `eval()` would keep memory until the script ends.
#[test]
fn requests_leave_no_memory_behind() {
    let server = Igor::new()
        .frankenphp("php_ini session.save_path {$DIR}")
        .site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/http_worker/memory.php 1\n}")
        .start();
    let body =
        "--limit\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\ncontent\r\n--limit--\r\n";
    let request = Request::post("/http_worker/memory.php?a=1&b[]=2", body)
        .header("Content-Type", "multipart/form-data; boundary=limit")
        .header("Cookie", "c=3; PHPSESSID=memory")
        .header("Authorization", "Basic dTpw");
    let mut connection = server.connect();
    let mut usage = |count| (0..count).map(|_| connection.send(&request).text()).last();
    let early = usage(200);
    let late = usage(2000);
    assert_eq!(early, late, "bytes in use after 200 and after 2200 requests");
}

/// B41
#[test]
fn the_environment_of_the_script() {
    let server = worker("name shop\nenv MODE \"a mode\"\nenv BOOT \"$state->boot = [$_SERVER['FRANKENPHP_WORKER'], $_SERVER['FRANKENPHP_WORKER_NAME'], $_SERVER['FRANKENPHP_WORKER_BACKGROUND'], $_SERVER['MODE'], getenv('MODE'), isset($_SERVER['REQUEST_METHOD'])];\"").start();
    assert_eq!(
        server.eval_in_worker("return $state->boot;").value(),
        json!(["1", "shop", false, "a mode", "a mode", true])
    );
    let look = "return [$_SERVER['FRANKENPHP_WORKER'] ?? null, $_SERVER['FRANKENPHP_WORKER_NAME'] ?? null, $_SERVER['FRANKENPHP_WORKER_BACKGROUND'] ?? null, getenv('MODE')];";
    assert_eq!(server.eval_in_worker(look).value(), json!(["1", "shop", false, "a mode"]), "inside a request too");
}

/// B56
#[test]
fn what_the_script_prints_outside_of_requests_goes_to_the_log() {
    let server =
        worker("env BOOT \"echo 'printed by the boot', PHP_EOL;\"\nenv END \"echo 'printed at the end', PHP_EOL;\"")
            .start();
    server.wait_log(&["printed by the boot"]);
    assert_eq!(run(&server, "echo 'x';").text(), "x");
    assert!(server.stop().log.contains("printed at the end"), "the loop ends when the server stops");
}

/// B58
#[test]
fn a_script_that_does_not_boot_keeps_the_server_from_starting() {
    let cases = [
        ("throw new DomainException('no boot');", "Uncaught DomainException: no boot"),
        ("exit(3);", "exit status 3"),
        ("exit;", "frankenphp_handle_request()"),
    ];
    for (boot, message) in cases {
        let stopped = worker(&format!("env BOOT \"{boot}\"\nmax_consecutive_failures 2")).start_fails();
        assert_eq!(stopped.status.code(), Some(1), "{}", stopped.log);
        let last = stopped.log.lines().rfind(|line| line.starts_with("igor: ")).unwrap_or_default().to_owned();
        assert!(last.contains("worker.php") && stopped.log.contains(message), "{}", stopped.log);
        assert!(last.contains("2 failed attempts"), "{last}");
        assert!(!stopped.log.contains(" listening "), "{}", stopped.log);
    }
}

/// B58: a boot that fails once is tried again.
#[test]
fn a_boot_that_fails_at_first_is_tried_again() {
    let server = worker(
        "env BOOT \"if (!file_exists(getenv('DIR') . '/booted')) { touch(getenv('DIR') . '/booted'); exit(5); }\"",
    )
    .start();
    assert_eq!(requests(&server), 1);
    server.wait_log(&["failed to boot", "exit_status=5", "attempt=1"]);
}

/// B56
#[test]
fn handle_request_where_it_does_not_belong() {
    let server = server();
    let inside = server.eval_in_worker("frankenphp_handle_request(fn () => 1);").thrown("RuntimeException");
    assert!(inside.contains("inside its own callback"), "{inside}");
    let classic = server.eval("frankenphp_handle_request(fn () => 1);").thrown("RuntimeException");
    assert!(classic.contains("HTTP worker"), "{classic}");
    assert_eq!(requests(&server), 2, "the script went on");
}

/// B57
#[test]
fn a_finished_request_is_answered_while_its_callback_goes_on() {
    let server = server();
    let code = "echo 'answer'; fastcgi_finish_request(); echo 'lost';
                while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } $state->after = true;";
    assert_eq!(run(&server, code).text(), "answer");
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(server.eval_in_worker("return $state->after;").value(), true);
}

/// B56
#[test]
fn a_time_limit_is_that_of_one_request() {
    let server = server();
    for _ in 0..3 {
        let before = server.eval_in_worker("set_time_limit(1); return ini_get('max_execution_time');").value();
        assert_eq!(before, "1");
        assert_ne!(server.eval_in_worker("return ini_get('max_execution_time');").value(), "1");
    }
    assert_eq!(requests(&server), 7);
}

/// B10 (a): a boot that needs a background worker waits until it is ready.
#[test]
fn a_boot_requires_a_background_worker() {
    let server = Igor::new()
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n\
               worker {$PHP_TESTS}/worker.php 1 {\nenv BOOT \"frankenphp_require_background_worker('w'); $state->vars = frankenphp_get_vars('w');\"\n}\n\
               worker {$PHP_TESTS}/puppet.php {\nbackground\nname w\nenv BOOT \"frankenphp_set_vars(['ready' => true]);\"\n}\n}")
        .start();
    assert_eq!(
        server.eval_in_worker("return [$state->vars, frankenphp_get_vars('w')];").value(),
        json!([{"ready": true}, {"ready": true}])
    );
}

/// B10 (a), B19: the first failed boot of the background worker throws at once, without waiting for more.
#[test]
fn a_boot_that_requires_a_failing_background_worker_fails_at_once() {
    let stopped = Igor::new()
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n\
               worker {$PHP_TESTS}/worker.php 1 {\nmax_consecutive_failures 1\nenv BOOT \"frankenphp_require_background_worker('w', 3600);\"\n}\n\
               worker {$PHP_TESTS}/puppet.php {\nbackground\nname w\nmax_consecutive_failures -1\nenv BOOT \"throw new DomainException('no redis');\"\n}\n}")
        .start_fails();
    assert_eq!(stopped.status.code(), Some(1));
    let last = stopped.log.lines().rfind(|line| line.starts_with("igor: ")).unwrap_or_default().to_owned();
    for part in ["worker.php", "RuntimeException", "\"w\"", "puppet.php", "failed to boot", "DomainException: no redis"]
    {
        assert!(last.contains(part) || stopped.log.contains(part), "{part} in\n{}", stopped.log);
    }
}

/// B10 (b): in a request of an HTTP worker, require is an assertion that starts nothing.
#[test]
fn require_in_a_request_starts_nothing() {
    let server = Igor::new()
        .site(
            "root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/worker.php 1\n\
               worker {$PHP_TESTS}/puppet.php {\nbackground\nname w\nenv BOOT \"frankenphp_set_vars([]);\"\n}\n}",
        )
        .start();
    let message = server.eval_in_worker("frankenphp_require_background_worker('w', 3600);").thrown("RuntimeException");
    for part in ["\"w\"", "puppet.php", "not running", "num 1", "before the loop"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(server.log.count("background worker started"), 0);
    server.eval_in_worker("frankenphp_ensure_background_worker('w');").value();
    server.eval_in_worker("frankenphp_require_background_worker('w', 0.001);").value();
    server.wait_log(&["background worker started"]);
    assert_eq!(server.log.count("background worker started"), 1);
}

/// B2, B10 (b): the same for a name that only the catch-all would serve. The message must not say that the name is undeclared.
#[test]
fn require_in_a_request_does_not_let_the_catch_all_start_a_name() {
    let server = Igor::new()
        .site(
            "root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/worker.php 1\n\
               worker {\nfile {$PHP_TESTS}/puppet.php\nbackground\nenv BOOT \"frankenphp_set_vars([]);\"\n}\n}",
        )
        .start();
    let message = server.eval_in_worker("frankenphp_require_background_worker('w', 3600);").thrown("RuntimeException");
    for part in ["\"w\"", "puppet.php", "not running", "before the loop"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("not declared"), "{message}");
    server.eval_in_worker("frankenphp_ensure_background_worker('w');").value();
    server.eval_in_worker("frankenphp_require_background_worker('w', 0.001);").value();
}

/// B10 (b), B20: a worker that was given up can be distinguished from one that no one has started.
#[test]
fn require_in_a_request_says_that_a_worker_was_given_up() {
    let server = Igor::new()
        .site(
            "root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/worker.php 1\n\
               worker {$PHP_TESTS}/puppet.php 1 {\nbackground\nname w\nmax_consecutive_failures 1\n\
               env BOOT \"throw new DomainException('no redis');\"\n}\n}",
        )
        .start();
    wait_until("the end of the worker", || server.log.count("background worker given up") == 1);
    let message = server.eval_in_worker("frankenphp_require_background_worker('w', 3600);").thrown("RuntimeException");
    for part in ["\"w\"", "puppet.php", "has been given up", "DomainException: no redis"] {
        assert!(message.contains(part), "{message}");
    }
}

/// B10 (b): a worker that runs but is not ready is waited for.
#[test]
fn require_in_a_request_waits_for_a_worker_that_starts() {
    let server = Igor::new()
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/worker.php 1\nworker {$PHP_TESTS}/puppet.php 1 {\nbackground\nname w\n}\n}")
        .start();
    let late = server.eval_in_worker("frankenphp_require_background_worker('w', 0.05);").thrown("RuntimeException");
    assert!(late.contains("not ready after") && late.contains("frankenphp_set_vars()"), "{late}");
    let mut puppet = server.puppet("w");
    let mut waiting = server.connect();
    waiting.write(&Request::post("/worker.php", "touch(getenv('DIR') . '/waits'); frankenphp_require_background_worker('w', 30); return frankenphp_get_vars('w');"));
    wait_until("the waiting request", || server.path("waits").exists());
    puppet.eval("frankenphp_set_vars(['now' => 1]);").value();
    assert_eq!(waiting.read(false).json()["value"], json!({"now": 1}));
}

/// B56
#[test]
fn several_threads_run_the_script_side_by_side() {
    let server = Igor::new()
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/worker.php 3\n}")
        .start();
    let meet = "touch(getenv('DIR') . '/here-' . $_GET['n']); $dir = getenv('DIR');
                while (count(glob(\"$dir/here-*\")) < 3) { usleep(1000); clearstatcache(); } return 'met';";
    let mut all: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for (number, connection) in all.iter_mut().enumerate() {
        connection.write(&Request::post(&format!("/worker.php?n={number}"), meet));
    }
    for connection in &mut all {
        assert_eq!(connection.read(false).json()["value"], "met");
    }
}

/// B56
#[test]
fn a_client_that_goes_does_not_end_the_script() {
    let server = server();
    let mut connection = server.connect();
    connection.write(&Request::post("/worker.php?raw", "ignore_user_abort(true); $state->began = true; while (!connection_aborted()) { echo str_repeat('x', 10000); flush(); } $state->aborted = true;"));
    assert_eq!(connection.read_head().status, 200);
    drop(connection);
    assert_eq!(
        server.eval_in_worker("return [$state->began, $state->aborted, connection_aborted()];").value(),
        json!([true, true, 0])
    );
}

/// B58: what PHP keeps of a form's request goes with the script that the request ended.
#[test]
fn a_fatal_error_in_the_request_of_a_form() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 1\n}").start();
    for _ in 0..5 {
        let failed = server.send(&Request::form("/worker.php?raw", "$a=1;no_such_function();"));
        assert_eq!(failed.status, 500, "{}", failed.text());
        let fine = server.send(&Request::form("/worker.php?raw", "$a=1;echo count($_POST);"));
        assert_eq!((fine.status, fine.text().as_str()), (200, "1"));
    }
}

/// A request that waits when the last thread gives up is refused, and does not wait for ever.
#[test]
fn requests_that_wait_are_refused_when_the_worker_is_given_up() {
    let boot = "if (file_exists(getenv('DIR') . '/broken')) {
        touch(getenv('DIR') . '/boots');
        while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); }
        exit(4);
    }";
    let server = worker(&format!("max_consecutive_failures 1\nenv BOOT `{boot}`")).admin().start();
    let restart = || server.ask_admin(&Request::post("/frankenphp/workers/restart", "")).status;
    fs::write(server.path("broken"), "").expect("files can be written");
    assert_eq!(restart(), 200);
    wait_until("the boot", || server.path("boots").exists());
    let mut waiting = [server.connect(), server.connect()];
    waiting.iter_mut().for_each(|connection| connection.write(&Request::post("/worker.php", "return 1;")));
    let queue = || server.ask_admin(&Request::get("/frankenphp/workers")).json()["http"][0]["queue"].take();
    wait_until("the requests", || queue() == 2);
    fs::write(server.path("go"), "").expect("files can be written");
    waiting.iter_mut().for_each(|connection| assert_eq!(connection.read(false).status, 503));
    assert_eq!(run(&server, "return 1;").status, 503);
    assert_eq!(queue(), 0);
    fs::remove_file(server.path("broken")).expect("files can be removed");
    assert_eq!(restart(), 200);
    assert_eq!(server.eval_in_worker("return 1;").value(), 1);
}
