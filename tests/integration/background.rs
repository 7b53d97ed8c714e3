//! Background workers: how they are declared, demanded, and supervised.

use crate::common::{Igor, Outcome, Request, Server, wait_until};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// One block with these workers, beside the scripts of the tests.
fn block(workers: &str) -> Igor {
    Igor::new().site(&site(workers))
}

fn site(workers: &str) -> String {
    format!("root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\n{workers}\n}}")
}

/// The declaration of a background worker that runs `puppet.php`.
fn puppet(name: &str, lines: &str) -> String {
    script("{$PHP_TESTS}/puppet.php", name, lines)
}

/// The declaration of a background worker that runs another script.
fn script(file: &str, name: &str, lines: &str) -> String {
    format!("worker {file} {{\nbackground\nname {name}\n{lines}\n}}\n")
}

/// A puppet that is ready as soon as it runs.
const READY: &str = "env BOOT \"frankenphp_set_vars(['pid' => getmypid(), 'run' => hrtime(true)]);\"";

fn read(server: &Server, name: &str) -> Outcome {
    server.eval(&format!("return frankenphp_get_vars('{name}');"))
}

fn ensure(server: &Server, name: &str) {
    server.eval(&format!("frankenphp_ensure_background_worker('{name}');")).value();
}

fn assert_holds(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// B3, B10, B31, B45
#[test]
fn a_worker_without_a_number_starts_on_first_demand() {
    let server = block(&puppet("w", READY)).start();
    assert_holds(
        &read(&server, "w").thrown("RuntimeException"),
        &["\"w\"", "has published nothing", "ensure_background_worker()"],
    );
    assert_eq!(server.log.count("background worker started"), 0);
    ensure(&server, "w");
    assert!(read(&server, "w").value()["pid"].is_u64());
    ensure(&server, "w");
    server.eval("frankenphp_require_background_worker('w');").value();
    assert_eq!(server.log.count("background worker started"), 1);
}

/// B45, B31: the server serves while an eager worker has not published.
#[test]
fn the_server_does_not_wait_for_eager_workers() {
    let server = block(&puppet("w", "num 1")).start();
    server.wait_log(&["background worker started", "worker=\"w\""]);
    assert_holds(&read(&server, "w").thrown("RuntimeException"), &["\"w\"", "runs", "frankenphp_set_vars()"]);
    server.puppet("w").eval("frankenphp_set_vars([]);").value();
    assert_eq!(read(&server, "w").value(), json!([]), "an empty snapshot is one");
    server.wait_log(&["background worker ready", "worker=\"w\""]);
}

/// B3, B28, B40
#[test]
fn a_pool_shares_one_slot() {
    let server = block(&puppet("w", "num 3")).start();
    let mut threads: Vec<_> = (0..3).map(|number| server.puppet_thread("w", number)).collect();
    for (number, thread) in threads.iter_mut().enumerate() {
        thread.eval(&format!("frankenphp_set_vars(['from' => {number}]);")).value();
        assert_eq!(read(&server, "w").value(), json!({"from": number}), "the last publisher wins");
    }
    threads.remove(1).doom("exit(1);");
    assert_eq!(read(&server, "w").value(), json!({"from": 2}), "the others are not disturbed");
    server.puppet_thread("w", 1).eval("frankenphp_set_vars(['from' => 'again']);").value();
    assert_eq!(threads[0].eval("return frankenphp_get_vars('w');").value(), json!({"from": "again"}));
    assert_eq!(threads[1].eval("return frankenphp_get_vars('w');").value(), json!({"from": "again"}));
}

/// B2, B4, B21, B41
#[test]
fn a_catch_all_serves_any_name_up_to_its_cap() {
    let server = block(
        "worker {\nfile {$PHP_TESTS}/puppet.php\nbackground\nmax_threads 2\n\
         env BOOT \"frankenphp_set_vars([$_SERVER['FRANKENPHP_WORKER_NAME'], $_SERVER['argv'][1]]);\"\n}\n",
    )
    .start();
    assert_holds(&read(&server, "one").thrown("RuntimeException"), &["\"one\"", "has not been started"]);
    server.eval("frankenphp_ensure_background_worker(['one', 'zwei ü']);").value();
    assert_eq!(read(&server, "one").value(), json!(["one", "one"]));
    assert_eq!(read(&server, "zwei ü").value(), json!(["zwei ü", "zwei ü"]));
    let refused = server.eval("frankenphp_ensure_background_worker('three');").thrown("RuntimeException");
    assert_holds(&refused, &["\"three\"", "2 names", "max_threads"]);
    let refused = server.eval("frankenphp_require_background_worker('three');").thrown("RuntimeException");
    assert_holds(&refused, &["\"three\"", "max_threads"]);
    ensure(&server, "one");
    server.puppet("one").doom("exit(1);");
    assert_eq!(read(&server, "zwei ü").value(), json!(["zwei ü", "zwei ü"]), "each name has its own life");
}

/// B2: a declared name does not count against the catch-all, and is not served by it.
#[test]
fn a_named_worker_comes_before_the_catch_all() {
    let catch_all = "worker {\nfile {$PHP_TESTS}/puppet.php\nbackground\nmax_threads 1\nenv BOOT \"frankenphp_set_vars(['any']);\"\n}\n";
    let named = puppet("named", "env BOOT \"frankenphp_set_vars(['named']);\"");
    let server = block(&format!("{catch_all}{named}")).start();
    server.eval("frankenphp_ensure_background_worker(['named', 'other']);").value();
    assert_eq!(
        server.eval("return frankenphp_get_vars(['named', 'other']);").value(),
        json!({"named": ["named"], "other": ["any"]})
    );
}

/// B6
#[test]
fn several_workers_may_share_one_file() {
    let dispatch = "env BOOT \"frankenphp_set_vars(['i am' => $_SERVER['FRANKENPHP_WORKER_NAME']]);\"";
    let server = block(&format!("{}{}", puppet("a", dispatch), puppet("b", dispatch))).start();
    server.eval("frankenphp_ensure_background_worker(['a', 'b']);").value();
    let expected = json!({"b": {"i am": "b"}, "a": {"i am": "a"}});
    assert_eq!(server.eval("return frankenphp_get_vars(['b', 'a']);").value(), expected);
}

/// B7
#[test]
fn one_name_in_two_scopes_is_two_workers() {
    let workers = |number: u8| {
        site(&puppet("w", &format!("env PUPPET w{number}\nenv BOOT \"frankenphp_set_vars([{number}]);\"")))
    };
    let server = Igor::new()
        .frankenphp("num_threads 1")
        .hosts(&[("one.test", &workers(1)), ("two.test", &workers(2)), ("none.test", &site(""))])
        .start();
    server.eval_at("one.test", "frankenphp_ensure_background_worker('w');").value();
    let missing = server.eval_at("two.test", "frankenphp_get_vars('w');").thrown("RuntimeException");
    assert_holds(&missing, &["has published nothing"]);
    server.eval_at("two.test", "frankenphp_ensure_background_worker('w');").value();
    for _ in 0..5 {
        assert_eq!(server.eval_at("one.test", "return frankenphp_get_vars('w');").value(), json!([1]));
        assert_eq!(server.eval_at("two.test", "return frankenphp_get_vars('w');").value(), json!([2]));
    }
    server.puppet("w1").doom("exit(1);");
    assert_eq!(server.puppet("w2").eval("return frankenphp_get_vars('w');").value(), json!([2]));
    let unknown = server.eval_at("none.test", "frankenphp_get_vars('w');").thrown("RuntimeException");
    assert_holds(&unknown, &["\"w\"", "not declared", "no background workers are declared there"]);
}

/// B1: workers outside of every block belong to the global scope.
#[test]
fn a_block_without_workers_sees_the_global_ones() {
    let global = puppet("w", "env DIR {$DIR}\nenv BOOT \"frankenphp_set_vars(['global']);\"");
    let server = Igor::new().frankenphp(&global).hosts(&[("one.test", &site("")), ("two.test", &site(""))]).start();
    server.eval_at("one.test", "frankenphp_ensure_background_worker('w');").value();
    assert_eq!(server.eval_at("two.test", "return frankenphp_get_vars('w');").value(), json!(["global"]));
}

/// B8
#[test]
fn background_threads_take_none_of_the_http_threads() {
    let server = block(&puppet("w", "num 5\nenv BOOT \"frankenphp_set_vars([]); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); }\""))
        .frankenphp("num_threads 1")
        .start();
    ensure(&server, "w");
    for _ in 0..20 {
        assert_eq!(server.eval("return 1;").value(), 1);
    }
    fs::write(server.path("go"), "").expect("files can be written");
}

/// B9
#[test]
fn the_path_of_a_worker_script_is_an_ordinary_script() {
    let server = Igor::new()
        .file("public/w.php", "<?php echo json_encode([$_SERVER['FRANKENPHP_WORKER_BACKGROUND'] ?? null, $_GET]);")
        .site("root {$DIR}/public\nphp_server {\nworker {$DIR}/public/w.php {\nbackground\nname w\n}\n}")
        .start();
    assert_eq!(server.get("/w.php?a=1").json(), json!([null, {"a": "1"}]));
}

/// B10 (c), B11
#[test]
fn many_callers_start_one_thread() {
    let server = block(&puppet("w", "")).frankenphp("num_threads 8").start();
    let mut waiting: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for (number, connection) in waiting.iter_mut().enumerate() {
        let function = if number % 2 == 0 { "require" } else { "ensure" };
        let code = format!(
            "touch(getenv('DIR') . '/waits-{number}'); frankenphp_{function}_background_worker('w'); return frankenphp_get_vars('w');"
        );
        connection.write(&Request::post("/eval.php", code));
    }
    wait_until("all callers", || (0..8).all(|number| server.path(&format!("waits-{number}")).exists()));
    server.puppet("w").eval("frankenphp_set_vars(['one']);").value();
    for connection in &mut waiting {
        assert_eq!(Outcome::of_response(&connection.read(false)).value(), json!(["one"]));
    }
    assert_eq!(server.log.count("background worker started"), 1);
}

/// B11, B20: when the worker is given up, every waiter is told at once, with all that is known.
#[test]
fn giving_up_wakes_every_waiter() {
    let failing = script("{$DIR}/fail.php", "w", "max_consecutive_failures 3");
    let server = block(&failing)
        .file("fail.php", "<?php while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } throw new DomainException('no redis');")
        .frankenphp("num_threads 4")
        .start();
    let mut waiting: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for (number, connection) in waiting.iter_mut().enumerate() {
        let code =
            format!("touch(getenv('DIR') . '/waits-{number}'); frankenphp_require_background_worker('w', 3600);");
        connection.write(&Request::post("/eval.php", code));
    }
    wait_until("all callers", || (0..4).all(|number| server.path(&format!("waits-{number}")).exists()));
    fs::write(server.path("go"), "").expect("files can be written");
    for connection in &mut waiting {
        let message = Outcome::of_response(&connection.read(false)).thrown("RuntimeException");
        assert_holds(
            &message,
            &[
                "\"w\"",
                "fail.php",
                "given up",
                "3 failed attempts",
                "exit status 255",
                "DomainException: no redis",
                "max_consecutive_failures",
            ],
        );
    }
    let record = server.wait_log(&["ERROR", "given up", "worker=\"w\"", "attempt=3"]);
    assert_holds(&record, &["exit_status=255", "DomainException: no redis", "fail.php"]);
}

/// B37, B48: what has been given up stays readable, and a later ensure starts it afresh.
#[test]
fn a_worker_that_was_given_up_can_be_revived() {
    let server = block(&puppet("w", "max_consecutive_failures 1\nenv BOOT \"if (file_exists(getenv('DIR') . '/broken')) { exit(4); } frankenphp_set_vars(['good']);\"")).start();
    ensure(&server, "w");
    server.puppet("w").doom("exit(9);");
    server.wait_log(&["given up", "exit_status=9"]);
    assert_eq!(read(&server, "w").value(), json!(["good"]), "the last snapshot is still served");
    // The record comes shortly before the thread has left, so the first call may come too early to start another.
    wait_until("the second life", || {
        ensure(&server, "w");
        server.log.count("background worker started") == 2
    });
    server.puppet("w").eval("frankenphp_set_vars(['again']);").value();
    assert_eq!(read(&server, "w").value(), json!(["again"]));
}

/// B48
#[test]
fn a_worker_that_never_got_ready_can_be_revived() {
    let server = block(&puppet("w", "max_consecutive_failures 2\nenv BOOT \"if (!file_exists(getenv('DIR') . '/mended')) { exit(4); } frankenphp_set_vars(['good']);\"")).start();
    let first = server.eval("frankenphp_ensure_background_worker('w', 3600);").thrown("RuntimeException");
    assert_holds(&first, &["given up", "2 failed attempts", "exit status 4"]);
    let second = server.eval("frankenphp_ensure_background_worker('w', 3600);").thrown("RuntimeException");
    assert_holds(&second, &["given up", "2 failed attempts"]);
    fs::write(server.path("mended"), "").expect("files can be written");
    ensure(&server, "w");
    assert_eq!(read(&server, "w").value(), json!(["good"]));
}

/// B10 (c): a classic request waits through failed boots and their backoff.
#[test]
fn a_classic_request_waits_through_failed_boots() {
    let boot = "$n = (int) @file_get_contents(getenv('DIR') . '/n'); file_put_contents(getenv('DIR') . '/n', $n + 1); if ($n < 2) { exit(7); } frankenphp_set_vars([$n]);";
    let server = block(&puppet("w", &format!("env BOOT `{boot}`"))).start();
    server.eval("frankenphp_require_background_worker('w');").value();
    assert_eq!(read(&server, "w").value(), json!([2]));
    server.wait_log(&["background worker failed", "attempt=1", "exit_status=7"]);
    server.wait_log(&["background worker failed", "attempt=2", "exit_status=7"]);
}

/// B12, B37, B47: a table of crashes after ready. Each is named in the log; readers notice nothing.
#[test]
fn crashes_are_logged_and_the_last_snapshot_is_served() {
    let crashes = [
        ("exit(3);", "exit_status=3", "no PHP error"),
        ("throw new DomainException('gone wrong');", "exit_status=255", "Uncaught DomainException: gone wrong"),
        (
            "ini_set('memory_limit', '16M'); $all = []; while (true) { $all[] = str_repeat('x', 4096); }",
            "exit_status=255",
            "Allowed memory size of 16777216 bytes exhausted",
        ),
        (
            "ini_set('memory_limit', '64M'); $f = function () use (&$f) { return 1 + $f(); }; $f();",
            "exit_status=255",
            "Allowed memory size",
        ),
        ("class A {} eval('class A {}');", "exit_status=255", "Cannot"),
        ("eval('no php');", "exit_status=255", "syntax error"),
        ("set_time_limit(1); while (true);", "exit_status=255", "Maximum execution time"),
    ];
    let server = block(&puppet("w", "max_consecutive_failures -1\nenv BOOT \"if (!file_exists(getenv('DIR') . '/published')) { touch(getenv('DIR') . '/published'); frankenphp_set_vars(['kept']); }\"")).start();
    ensure(&server, "w");
    for (number, (code, status, error)) in crashes.into_iter().enumerate() {
        server.puppet("w").doom(code);
        let attempt = format!("attempt={} ", number + 1);
        let record = server.wait_log(&["WARN", "background worker failed", "worker=\"w\"", &attempt]);
        assert_holds(&record, &[status, error, &format!("run={} ", number + 1), "pause_ms="]);
        server.eval("frankenphp_require_background_worker('w', 0.001);").value();
        assert_eq!(read(&server, "w").value(), json!(["kept"]), "the snapshot of the first run");
    }
}

/// B47: an end before ready is a failure with any status.
#[test]
fn an_end_before_ready_is_a_failure() {
    let server =
        block(&script("{$DIR}/w.php", "w", "max_consecutive_failures 2")).file("w.php", "<?php return;").start();
    let message = server.eval("frankenphp_ensure_background_worker('w', 3600);").thrown("RuntimeException");
    assert_holds(
        &message,
        &["given up", "2 failed attempts", "exit status 0", "ended before it called frankenphp_set_vars()"],
    );
}

/// B46: an exit with status 0 is a restart and no failure, at most ten times a second.
#[test]
fn an_orderly_end_is_a_restart() {
    let count = "$n = (int) @file_get_contents(getenv('DIR') . '/n'); file_put_contents(getenv('DIR') . '/n', $n + 1); frankenphp_set_vars([$n]); if ($n < 10) { exit(0); }";
    let server = block(&puppet("w", &format!("max_consecutive_failures 1\nenv BOOT `{count}`"))).start();
    let before = Instant::now();
    ensure(&server, "w");
    server.puppet("w");
    assert!(before.elapsed() >= Duration::from_millis(900), "ten restarts take ten pauses");
    assert_eq!(read(&server, "w").value(), json!([10]));
    assert_eq!(server.log.count("background worker failed"), 0);
    assert_eq!(server.log.count("background worker ended, restarting it"), 10);
}

/// B48: an orderly end forgets the failures before it.
#[test]
fn an_orderly_end_resets_the_count() {
    let server = block(&puppet("w", &format!("max_consecutive_failures 2\n{READY}"))).start();
    ensure(&server, "w");
    for _ in 0..3 {
        server.puppet("w").doom("exit(1);");
        server.puppet("w").doom("exit(0);");
    }
    server.puppet("w").eval("return 1;").value();
    assert_eq!(server.log.count("attempt=1 "), 3);
    assert_eq!(server.log.count("given up"), 0);
}

/// B43
#[test]
fn each_run_starts_anew() {
    let look = "return [$GLOBALS['mark'] ?? null, defined('MARK'), ini_get('precision') === '3', count(get_included_files())];";
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    let mut first = server.puppet("w");
    let fresh = first.eval(look).value();
    first
        .eval("$GLOBALS['mark'] = 1; define('MARK', 1); ini_set('precision', 3); include __DIR__ . '/index.php';")
        .value();
    assert_ne!(first.eval(look).value(), fresh);
    first.doom("exit(0);");
    assert_eq!(server.puppet("w").eval(look).value(), fresh);
}

/// B41
#[test]
fn the_environment_of_the_script() {
    let server = block(&puppet("w", "env MODE \"a mode\"\nenv DIR {$DIR}")).start();
    ensure_started(&server, "w");
    let look = "$s = $_SERVER; return [$s['FRANKENPHP_WORKER_NAME'], $s['FRANKENPHP_WORKER'], $s['FRANKENPHP_WORKER_BACKGROUND'],
                basename($s['argv'][0]), $s['argv'][1], $s['argc'], basename($s['SCRIPT_FILENAME']), $s['MODE'], getenv('MODE'),
                getenv('FRANKENPHP_WORKER_NAME'), PHP_SAPI, $_GET, $_POST, $_COOKIE, $_FILES];";
    let expected = json!([
        "w",
        "w",
        true,
        "puppet.php",
        "w",
        2,
        "puppet.php",
        "a mode",
        "a mode",
        "w",
        "frankenphp",
        [],
        [],
        [],
        []
    ]);
    assert_eq!(server.puppet("w").eval(look).value(), expected);
    assert_eq!(
        server
            .eval(
                "return [$_SERVER['FRANKENPHP_WORKER'] ?? 0, $_SERVER['FRANKENPHP_WORKER_NAME'] ?? 0, getenv('MODE')];"
            )
            .value(),
        json!([0, 0, false])
    );
}

/// Starts a puppet that does not publish on its own.
fn ensure_started(server: &Server, name: &str) {
    server
        .eval(&format!("try {{ frankenphp_ensure_background_worker('{name}', 0.001); }} catch (RuntimeException) {{}}"))
        .value();
}

/// B42
#[test]
fn a_worker_has_no_time_limit() {
    let server = block(&puppet("w", READY)).frankenphp("php_ini max_execution_time 1").start();
    ensure(&server, "w");
    let mut puppet = server.puppet("w");
    assert_eq!(puppet.eval("return ini_get('max_execution_time');").value(), "0");
    let spin = "$until = hrtime(true) + 1_500_000_000; while (hrtime(true) < $until); return 'alive';";
    assert_eq!(puppet.eval(spin).value(), "alive");
}

/// B42, B55
#[test]
fn output_goes_to_the_log_line_by_line() {
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    let mut puppet = server.puppet("w");
    puppet.eval(r#"echo "first line\nsecond "; echo "line\n"; echo "third, without an end"; error_log('to the error log');"#).value();
    for text in ["first line", "second line", "to the error log"] {
        assert_holds(&server.wait_log(&[text]), &["worker=\"w\"", "thread=0"]);
    }
    puppet.doom("exit(0);");
    assert_holds(&server.wait_log(&["third, without an end"]), &["worker=\"w\"", "run=1"]);
}

/// B13: an array is started as a whole first, and shares one deadline.
#[test]
fn ensure_takes_several_names() {
    let waits = |other: &str| {
        format!(
            "env BOOT \"while (!file_exists(getenv('DIR') . '/{other}')) {{ usleep(1000); clearstatcache(); }} frankenphp_set_vars([]);\""
        )
    };
    let a = puppet(
        "a",
        &format!(
            "{}\nenv PUPPET a",
            "env BOOT \"touch(getenv('DIR') . '/a'); while (!file_exists(getenv('DIR') . '/b')) { usleep(1000); clearstatcache(); } frankenphp_set_vars([]);\""
        ),
    );
    let b = puppet(
        "b",
        "env BOOT \"touch(getenv('DIR') . '/b'); while (!file_exists(getenv('DIR') . '/a')) { usleep(1000); clearstatcache(); } frankenphp_set_vars([]);\"",
    );
    let server = block(&format!("{a}{b}{}", puppet("never", &waits("nothing")))).start();
    server.eval("frankenphp_ensure_background_worker(['a', 'b']);").value();
    let message = server.eval("frankenphp_ensure_background_worker(['a', 'never'], 0.05);").thrown("RuntimeException");
    assert_holds(&message, &["\"never\"", "not ready after"]);
    fs::write(server.path("nothing"), "").expect("files can be written");
    ensure(&server, "never");
}

/// B14: everything is checked before anything starts.
#[test]
fn arguments_are_checked_first() {
    let server = block(&puppet("w", READY)).start();
    let cases = [
        ("frankenphp_ensure_background_worker('');", "ValueError", "must not be empty"),
        ("frankenphp_ensure_background_worker(\"w\\0\");", "ValueError", "null bytes"),
        ("frankenphp_ensure_background_worker([]);", "ValueError", "empty array"),
        ("frankenphp_ensure_background_worker(['w', 'w']);", "ValueError", "twice"),
        ("frankenphp_ensure_background_worker(['w', '']);", "ValueError", "must not be empty"),
        ("frankenphp_ensure_background_worker(['w', 5]);", "TypeError", "int"),
        ("frankenphp_ensure_background_worker(['w', null]);", "TypeError", "null"),
        ("frankenphp_ensure_background_worker('w', 0);", "ValueError", "greater than 0"),
        ("frankenphp_ensure_background_worker('w', -1);", "ValueError", "greater than 0"),
        ("frankenphp_ensure_background_worker('w', NAN);", "ValueError", "finite"),
        ("frankenphp_ensure_background_worker('w', INF);", "ValueError", "finite"),
        ("frankenphp_require_background_worker('');", "ValueError", "must not be empty"),
        ("frankenphp_require_background_worker(\"\\0\");", "ValueError", "null bytes"),
        ("frankenphp_require_background_worker('w', 0.0);", "ValueError", "greater than 0"),
        ("frankenphp_require_background_worker('w', -INF);", "ValueError", "finite"),
        ("frankenphp_require_background_worker(['w']);", "TypeError", "string"),
        ("frankenphp_get_vars([5, 'w']);", "TypeError", "int"),
    ];
    for (code, class, part) in cases {
        assert_holds(&server.eval(code).thrown(class), &[part]);
    }
    let partly = server.eval("frankenphp_ensure_background_worker(['w', 'unknown']);").thrown("RuntimeException");
    assert_holds(&partly, &["\"unknown\"", "not declared"]);
    assert_eq!(server.log.count("background worker started"), 0, "nothing was started");
    server.eval("frankenphp_ensure_background_worker('w', null);").value();
}

/// B15, B18
#[test]
fn a_timeout_below_a_millisecond_is_what_it_says() {
    let server = block(&puppet("w", "")).start();
    let message = server.eval("frankenphp_ensure_background_worker('w', 0.0005);").thrown("RuntimeException");
    assert_holds(&message, &["\"w\"", "puppet.php", "not ready after", "frankenphp_set_vars()"]);
    server.puppet("w").eval("frankenphp_set_vars([]);").value();
    server.eval("frankenphp_ensure_background_worker('w', 0.0005);").value();
}

/// B17
#[test]
fn an_unknown_name_is_told_what_is_declared() {
    let server =
        Igor::new().hosts(&[("shop.test", &site(&format!("{}{}", puppet("redis", ""), puppet("flags", ""))))]).start();
    for call in ["require_background_worker('cache')", "ensure_background_worker('cache')", "get_vars('cache')"] {
        let message = server.eval_at("shop.test", &format!("frankenphp_{call};")).thrown("RuntimeException");
        assert_holds(&message, &["\"cache\"", "\"shop.test\"", "\"redis\"", "\"flags\"", "not declared"]);
    }
}

/// B19: a wait that runs out after failed boots says what is known of them.
#[test]
fn a_timeout_after_failed_boots_says_why() {
    let server = block(&script("{$DIR}/w.php", "w", "max_consecutive_failures -1"))
        .file("w.php", "<?php\n\nthrow new DomainException('no redis');")
        .start();
    let message = server.eval("frankenphp_require_background_worker('w', 0.3);").thrown("RuntimeException");
    assert_holds(
        &message,
        &["\"w\"", "w.php:3", "not ready after", "failed attempt", "exit status 255", "DomainException: no redis"],
    );
}

/// B16
#[test]
fn workers_that_wait_for_each_other_are_told() {
    let server = block(&format!("{}{}{}", puppet("a", "num 1"), puppet("b", "num 1"), puppet("c", "num 1"))).start();
    let (mut a, mut b, mut c) = (server.puppet("a"), server.puppet("b"), server.puppet("c"));
    let own = a.eval("frankenphp_ensure_background_worker('a', 3600);").thrown("RuntimeException");
    assert_holds(&own, &["\"a\" -> \"a\""]);
    a.start("touch(getenv('DIR') . '/a'); frankenphp_require_background_worker('b', 3600); return 'b is ready';");
    b.start("touch(getenv('DIR') . '/b'); frankenphp_require_background_worker('c', 3600); frankenphp_set_vars([]); return 'c is ready';");
    wait_until("both waits", || server.path("a").exists() && server.path("b").exists());
    // The two files come right before the waits, so the last wait may have to be tried again until both are noted.
    let circle = loop {
        match c.eval("frankenphp_ensure_background_worker('a', 0.01);").thrown("RuntimeException") {
            message if message.contains("circle") => break message,
            message => assert_holds(&message, &["not ready after"]),
        }
    };
    assert_holds(&circle, &["\"c\" -> \"a\" -> \"b\" -> \"c\""]);
    c.eval("frankenphp_set_vars([]);").value();
    assert_eq!(b.finish().value(), "c is ready");
    assert_eq!(a.finish().value(), "b is ready");
}

/// B10 (c), B32
#[test]
fn workers_read_themselves_and_others() {
    let server =
        block(&format!("{}{}", puppet("a", READY), puppet("b", "env BOOT \"frankenphp_set_vars(['b']);\""))).start();
    ensure(&server, "a");
    let mut a = server.puppet("a");
    assert_holds(&a.eval("frankenphp_get_vars('b');").thrown("RuntimeException"), &["has not been started"]);
    assert_eq!(
        a.eval("frankenphp_require_background_worker('b'); return frankenphp_get_vars('b');").value(),
        json!(["b"])
    );
    assert_eq!(a.eval("frankenphp_set_vars(['own']); return frankenphp_get_vars('a');").value(), json!(["own"]));
}

/// B25, B40
#[test]
fn what_only_a_background_worker_may_do() {
    let server = block(&format!("worker {{$PHP_TESTS}}/worker.php 1\n{}", puppet("w", READY))).start();
    for call in ["set_vars([])", "get_worker_handle()"] {
        let classic = server.eval(&format!("frankenphp_{call};")).thrown("RuntimeException");
        assert_holds(&classic, &["can only be called in a background worker"]);
        let worker = server.eval_in_worker(&format!("frankenphp_{call};")).thrown("RuntimeException");
        assert_holds(&worker, &["can only be called in a background worker"]);
    }
    ensure(&server, "w");
    let handle = server.puppet("w").eval("frankenphp_handle_request(fn () => 1);").thrown("RuntimeException");
    assert_holds(&handle, &["background worker"]);
}

/// B38
#[test]
fn the_handle_reaches_its_end_when_the_server_stops() {
    let server = block(&script("{$DIR}/w.php", "w", "num 1"))
        .file(
            "w.php",
            "<?php $handle = frankenphp_get_worker_handle(); frankenphp_set_vars([]);
             $r = [$handle]; $w = $e = null; $selected = stream_select($r, $w, $e, null);
             file_put_contents(getenv('DIR') . '/seen', json_encode([$selected, fgets($handle), feof($handle)]));",
        )
        .start();
    server.wait_log(&["background worker ready"]);
    let seen = server.path("seen");
    assert!(!seen.exists());
    let mut server = server;
    let stopped = server.stop_by(rustix::process::Signal::TERM);
    assert_eq!(fs::read_to_string(seen).expect("the worker saw the end"), "[1,false,true]");
    assert_holds(&stopped.log, &["background worker stopped"]);
}

/// B39
#[test]
fn every_handle_is_usable_and_none_leaks() {
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    let descriptors =
        || fs::read_dir(format!("/proc/{}/fd", server.pid().as_raw_nonzero())).expect("the server runs").count();
    let check = "$first = frankenphp_get_worker_handle(); fclose($first); $second = frankenphp_get_worker_handle(); $r = [$second]; $w = $e = null;
                 return [is_resource($second), get_resource_type($second), stream_select($r, $w, $e, 0), stream_get_meta_data($second)['mode'][0]];";
    let mut before = None;
    for run in 0..30 {
        let mut puppet = server.puppet("w");
        for _ in 0..5 {
            assert_eq!(puppet.eval(check).value(), json!([true, "stream", 0, "r"]));
        }
        puppet.eval("for ($i = 0; $i < 50; $i++) { $GLOBALS['kept'][] = frankenphp_get_worker_handle(); }").value();
        puppet.doom("exit(0);");
        drop(server.puppet("w"));
        if run == 2 {
            before = Some(descriptors());
        }
    }
    let before = before.expect("the third run was counted");
    wait_until("the descriptors of ended runs to be closed", || descriptors() <= before + 2);
}

/// B40
#[test]
fn each_thread_of_a_pool_has_its_own_handle() {
    let server = block(&puppet("w", "num 2")).start();
    let node = "return fstat(frankenphp_get_worker_handle())['ino'];";
    let (mut one, mut two) = (server.puppet_thread("w", 0), server.puppet_thread("w", 1));
    let (first, second) = (one.eval(node).value(), two.eval(node).value());
    assert_ne!(first, second);
    assert_eq!(first, one.eval(node).value(), "all streams of one run are of one handle");
}

/// B55
#[test]
fn the_log_tells_the_life_of_a_worker() {
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    server.puppet("w").doom("exit(2);");
    server.puppet("w").doom("exit(0);");
    drop(server.puppet("w"));
    let log = server.stop().log;
    let life: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("worker=\"w\""))
        .filter_map(|line| {
            ["started", "ready", "failed", "ended", "stopped"]
                .into_iter()
                .find(|word| line.contains(&format!("background worker {word}")))
        })
        .collect();
    assert_eq!(life, ["started", "ready", "failed", "started", "ready", "ended", "started", "ready", "stopped"]);
}

/// B37, B28: readers go on while a worker crashes in a loop after each publish.
#[test]
fn readers_go_on_through_a_crash_loop() {
    let crash = "$n = (int) @file_get_contents(getenv('DIR') . '/n'); file_put_contents(getenv('DIR') . '/n', $n + 1); frankenphp_set_vars(['n' => $n]); throw new Exception('crash');";
    let server = block(&puppet("w", &format!("max_consecutive_failures -1\nenv BOOT `{crash}`"))).start();
    ensure(&server, "w");
    let mut connection = server.connect();
    let mut last = 0;
    wait_until("the fourth run", || {
        let outcome = Outcome::of_response(
            &connection.send(&Request::post("/eval.php", "return frankenphp_get_vars('w')['n'];")),
        );
        let seen = outcome.value().as_u64().expect("a number");
        assert!(seen >= last, "versions only grow");
        last = seen;
        seen >= 3
    });
}
