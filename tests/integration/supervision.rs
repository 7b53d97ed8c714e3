//! The life of a background worker: its runs, their ends, their handles, and what the log reports.

use crate::common::workers::{READY, assert_holds, block, ensure, puppet, read, script};
use crate::common::{Outcome, Request, Server, wait_until};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// B11, B20: when the worker is given up, every waiter gets an exception at once, with all that is known.
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

/// B37, B48, N22: what has been given up stays readable, and a later ensure starts it afresh.
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

/// B12, B37, B47, N22: a table of crashes after ready. Each is named in the log; readers notice nothing.
#[test]
fn crashes_are_logged_and_the_last_snapshot_is_served() {
    let mut crashes = vec![
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
    // Recursion through an internal function uses the C stack, which PHP guards since 8.3.
    if server.eval("return PHP_VERSION_ID >= 80300;").value() == true {
        let code =
            "ini_set('memory_limit', '1G'); $f = function ($x) use (&$f) { return array_map($f, [$x]); }; $f(1);";
        crashes.push((code, "exit_status=255", "Maximum call stack size of"));
    }
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

/// B19: a wait that runs out after failed boots describes them.
#[test]
fn a_timeout_after_failed_boots_says_why() {
    let server = block(&script("{$DIR}/w.php", "w", "num 1\nmax_consecutive_failures -1"))
        .file("w.php", "<?php\n\nthrow new DomainException('no redis');")
        .start();
    // However slow the machine is: a run has failed before the wait begins.
    server.wait_log(&["background worker failed"]);
    let message = server.eval("frankenphp_require_background_worker('w', 0.3);").thrown("RuntimeException");
    assert_holds(
        &message,
        &["\"w\"", "w.php:3", "not ready after", "failed attempt", "exit status 255", "DomainException: no redis"],
    );
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

/// B38: a worker is asked to end by its handle also where the server has more connections than `stream_select()` can take
/// descriptors.
#[test]
fn many_connections_leave_the_handle_usable() {
    rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit {
            current: Some(4096),
            maximum: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
        },
    )
    .expect("the test and its server may have 4,096 descriptors");
    let server = block(&puppet("w", READY)).start();
    let mut open: Vec<_> = (0..1100).map(|_| server.connect()).collect();
    for connection in &mut open {
        assert_eq!(Outcome::of_response(&connection.send(&Request::post("/eval.php", "return 1;"))).value(), json!(1));
    }
    ensure(&server, "w");
    let code = "$read = [frankenphp_get_worker_handle()]; $write = $except = null; return stream_select($read, $write, $except, 0);";
    assert_eq!(server.puppet("w").eval(code).value(), json!(0), "it can be waited for");
}

/// B38: the server's ends of streams leave the low descriptors to scripts. A script that uses them up is warned before
/// `stream_select()` refuses its stream.
#[test]
fn many_streams_leave_the_handle_usable() {
    let limit = rustix::process::Rlimit {
        current: Some(4096),
        maximum: rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)
        .expect("the test and its server may have 4,096 descriptors");
    let server = block(&puppet("w", READY)).frankenphp("store default").start();
    ensure(&server, "w");
    let mut puppet = server.puppet("w");
    let watch = "for ($i = 0; $i < 600; $i++) { $GLOBALS['kept'][] = (new FrankenPHP\\SharedArray())->watch(); }
        $read = [...$GLOBALS['kept'], frankenphp_get_worker_handle()]; $write = $except = null;
        (new FrankenPHP\\SharedArray())->set('k', 1);
        return stream_select($read, $write, $except, 10);";
    assert_eq!(puppet.eval(watch).value(), json!(600), "each of them can be waited for");
    let fill = "for ($i = 0; $i < 500; $i++) { $GLOBALS['kept'][] = fopen('/dev/null', 'r'); }
        $read = [frankenphp_get_worker_handle()]; $write = $except = null;
        return [@stream_select($read, $write, $except, 0), str_contains(error_get_last()['message'], 'FD_SETSIZE')];";
    assert_eq!(puppet.eval(fill).value(), json!([false, true]));
    server.wait_log(&["WARN", "a script has a stream that stream_select() cannot wait for", "descriptor=1"]);
}
