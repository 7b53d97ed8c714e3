//! Restarts of opcache while PHP threads run: asked for by `opcache_reset()`, or because the cache is full.

use crate::common::workers::{READY, ensure, puppet, read, script, site};
use crate::common::{Connection, Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const RESTARTED: &str = "opcache restarted";

/// A worker that publishes literals, which lie in opcache's memory, and continues using them until it is asked to end.
const LITERALS: &str = "<?php
const LITERAL = ['a' => ['b' => 'a literal string', 'c' => [1, 2, 3]]];
$handle = frankenphp_get_worker_handle();
$run = hrtime(true);
for ($n = 0; ; $n++) {
    frankenphp_set_vars(LITERAL + ['run' => $run, 'n' => intdiv($n, 100)]);
    if (LITERAL['a']['b'] . count(LITERAL['a']['c']) !== 'a literal string3') {
        trigger_error('a literal has changed', E_USER_ERROR);
    }
    $readable = [$handle];
    $writable = $except = null;
    if (stream_select($readable, $writable, $except, 0, 1000) > 0) {
        break;
    }
}
";

fn literal() -> Value {
    json!({"b": "a literal string", "c": [1, 2, 3]})
}

/// A server with a publisher of literals, a puppet `p`, and an HTTP worker of two threads.
fn server() -> Igor {
    let workers = script("{$DIR}/literals.php", "literals", "num 1") + &puppet("p", READY);
    Igor::new()
        .frankenphp("num_threads 6")
        .file("literals.php", LITERALS)
        .site(&site(&format!("{workers}worker {{$PHP_TESTS}}/worker.php 2\n")))
}

fn run_of(server: &Server, name: &str) -> Value {
    read(server, name).value()["run"].clone()
}

fn restarts(server: &Server) -> u64 {
    let status = server.eval("return opcache_get_status(false)['opcache_statistics']['manual_restarts'];");
    status.value().as_u64().expect("a number")
}

/// After a restart scripts of every kind continue, workers included, and published arrays stay readable.
fn assert_restarts(server: &Server, reset: impl Fn()) {
    ensure(server, "p");
    ensure(server, "literals");
    assert_eq!(server.eval_in_worker("return 1;").value(), 1);
    let (p, literals, before) = (run_of(server, "p"), run_of(server, "literals"), restarts(server));
    reset();
    server.wait_log(&[RESTARTED, "reason=\"opcache_reset()\""]);
    assert_eq!(restarts(server), before + 1);
    for (name, run) in [("p", &p), ("literals", &literals)] {
        wait_until("the worker's next run", || run_of(server, name) != *run);
    }
    assert_eq!(read(server, "literals").value()["a"], literal());
    assert_eq!(server.log.count("failed"), 0, "no script failed");
    // Both threads of the HTTP worker have restarted: their counts of requests are small.
    let requests = server.eval_in_worker("return $state->requests;").value();
    assert!(requests.as_u64().expect("a number") <= 2, "{requests}");
}

/// NASTY 23, B27, B49
#[test]
fn a_reset_by_a_request_lets_every_script_begin_anew() {
    let server = server().start();
    assert_restarts(&server, || assert_eq!(server.eval("return opcache_reset();").value(), true));
    server.wait_log(&[RESTARTED, "by=\"php-", "eval.php("]);
}

/// NASTY 23, B27, B49
#[test]
fn a_reset_by_an_http_worker_lets_every_script_begin_anew() {
    let server = server().start();
    assert_restarts(&server, || assert_eq!(server.eval_in_worker("return opcache_reset();").value(), true));
}

/// NASTY 23, B27, B49
#[test]
fn a_reset_by_a_background_worker_lets_every_script_begin_anew() {
    let server = server().start();
    assert_restarts(&server, || assert_eq!(server.puppet("p").eval("return opcache_reset();").value(), true));
}

/// NASTY 23: a reload has started some threads of an HTTP worker, which no request reaches yet: they end their scripts, too, and
/// hold no one up until they are interrupted.
#[test]
fn workers_of_a_reload_that_is_under_way_end_for_a_restart() {
    let worker = "<?php if (getenv('ROUND') === '2' && !file_exists(getenv('DIR') . '/go') && !@mkdir(getenv('DIR') . '/first')) {
            touch(getenv('DIR') . '/boots'); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } }
        while (frankenphp_handle_request(function () { echo getenv('ROUND'); }));";
    let server = Igor::new()
        .file("work.php", worker)
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nenv ROUND 1\nworker {$DIR}/work.php 2 {\nmatch /work\n}\n}")
        .start();
    let file = server.path("Caddyfile");
    let text = fs::read_to_string(&file).expect("the configuration");
    fs::write(&file, text.replace("ROUND 1", "ROUND 2")).expect("files can be written");
    server.signal(Signal::HUP);
    wait_until("the thread that boots", || server.path("boots").exists());
    wait_until("the thread that is ready", || server.log.count("worker script ready") == 3);
    assert_eq!(server.eval("return opcache_reset();").value(), true);
    server.wait_log(&["opcache will be restarted"]);
    fs::write(server.path("go"), "").expect("files can be written");
    server.wait_log(&[RESTARTED, "reason=\"opcache_reset()\""]);
    server.wait_log(&["the configuration was reloaded"]);
    assert_eq!(server.send(&Request::get("/work")).text(), "2");
    assert_eq!(server.log.count("interrupting a script"), 0);
}

/// NASTY 23: resets in a loop restart opcache at most once a second, and everything continues.
#[test]
fn resets_in_a_loop_under_load_harm_nobody() {
    let server = server().start();
    ensure(&server, "literals");
    let (asked, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for target in ["/eval.php", "/worker.php"] {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut connection = Connection::open(server.address());
                    while !done.load(Ordering::Relaxed) {
                        let answer = connection.send(&Request::post(target, "return opcache_reset();"));
                        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"value":true}"#));
                        asked.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut connection = Connection::open(server.address());
                    let code = "require_once __DIR__ . '/vars/enums.php'; preg_match('/' . Suit\\Pure::Hearts->name . '/', 'Hearts', $m); return [frankenphp_get_vars('literals')['a'], $m];";
                    while !done.load(Ordering::Relaxed) {
                        let answer = connection.send(&Request::post(target, code));
                        assert_eq!(answer.json()["value"], json!([literal(), ["Hearts"]]), "{}", answer.text());
                    }
                });
            }
        }
        wait_until("four restarts", || server.log.count(RESTARTED) >= 4);
        done.store(true, Ordering::Relaxed);
    });
    assert!(asked.load(Ordering::Relaxed) > 4);
    // The worker continues: what it counts grows.
    let run = run_of(&server, "literals");
    wait_until("more of the worker", || {
        let vars = read(&server, "literals").value();
        vars["run"] != run || vars["n"].as_u64() > Some(0)
    });
    assert_eq!(server.log.count("failed"), 0, "no script failed");
    assert_eq!(server.log.count("interrupting"), 0, "no script was interrupted");
}

/// NASTY 23: opcache decides by itself to restart, and may only when nothing uses its memory.
#[test]
fn a_cache_that_fills_up_is_emptied_between_the_runs_of_all_scripts() {
    // Two megabytes are left to scripts, of which a hundredth may be wasted.
    let mut igor = server().frankenphp(
        "php_ini opcache.memory_consumption 8\nphp_ini opcache.interned_strings_buffer 4\nphp_ini opcache.max_wasted_percentage 1\nphp_ini opcache.max_accelerated_files 200",
    );
    let body: String =
        (0..400).map(|n| format!("function f{n}_%() {{ return ['{n} %', [1, 2, [{n}]]]; }}\n")).collect();
    for file in 0..60 {
        igor = igor.file(
            &format!("many/{file}.php"),
            &format!("<?php\n{}return {file};", body.replace('%', &format!("of_{file}"))),
        );
    }
    let server = igor.start();
    ensure(&server, "literals");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for first in 0..4 {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                let mut connection = Connection::open(server.address());
                let mut file = first;
                while !done.load(Ordering::Relaxed) {
                    file = (file + 4) % 60;
                    let path = server.path(&format!("many/{file}.php"));
                    let path = path.display();
                    let code = format!("$n = require '{path}'; opcache_invalidate('{path}', true); return [$n, f7_of_{file}(), frankenphp_get_vars('literals')['a']];");
                    let answer = connection.send(&Request::post("/eval.php", code));
                    let expected = json!([file, [format!("7 of_{file}"), [1, 2, [7]]], literal()]);
                    assert_eq!(answer.json()["value"], expected, "{}", answer.text());
                }
            });
        }
        wait_until("two restarts", || server.log.count(RESTARTED) >= 2);
        done.store(true, Ordering::Relaxed);
    });
    server.wait_log(&[RESTARTED, "raise opcache."]);
    assert_eq!(server.log.count("failed"), 0, "no script failed");
}

/// B49: a worker that does not end is interrupted, and runs again after the restart.
#[test]
fn a_worker_that_ignores_its_handle_is_interrupted_for_a_restart() {
    let busy = "<?php frankenphp_set_vars(['run' => hrtime(true)]); while (true);";
    let server = Igor::new()
        .global("grace_period 300ms")
        .file("busy.php", busy)
        .site(&site(&script("{$DIR}/busy.php", "busy", "num 1")))
        .start();
    ensure(&server, "busy");
    let run = run_of(&server, "busy");
    assert_eq!(server.eval("return opcache_reset();").value(), true);
    server.wait_log(&["interrupting a script that did not end in its grace period", "thread=\"bg-busy-0\""]);
    server.wait_log(&[RESTARTED]);
    wait_until("the worker's next run", || run_of(&server, "busy") != run);
}

/// NASTY 23: there is nothing to wait for.
#[test]
fn a_reset_on_an_idle_server_is_done_by_the_next_request() {
    let server = Igor::new().site("root {$PHP_TESTS}\nphp_server").start();
    for n in 1..=2 {
        assert_eq!(server.eval("return opcache_reset();").value(), true);
        wait_until("the restart", || restarts(&server) == n);
    }
    // The record follows the restart.
    wait_until("both records", || server.log.count(RESTARTED) == 2);
}

/// The first thread that starts after all have left restarts opcache, and no other starts before that. A slow form is
/// read after that, before its script starts, so it only delays its own request. Without buffering, because a buffered
/// form takes no thread before it is whole.
#[test]
fn a_slow_form_does_not_hold_up_a_restart() {
    let site = "root {$PHP_TESTS}\nphp_server {\nrequest_buffering off\n}";
    let server = Igor::new().global("debug").admin().frankenphp("num_threads 2").site(site).start();
    let mut last = server.connect();
    let code =
        "opcache_reset(); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } return 1;";
    last.write(&Request::post("/eval.php", code));
    server.wait_log(&["no script starts until the running ones have ended"]);
    let mut slow = server.connect();
    let head = "POST /eval.php?slow HTTP/1.1\r\nHost: slow\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    slow.write_raw(format!("{head}Content-Length: 9\r\n\r\nreturn").as_bytes());
    wait_until("the slow request on its thread", || {
        let threads = server.ask_admin(&Request::get("/frankenphp/threads")).json();
        let all = threads["ThreadDebugStates"].as_array().expect("a list");
        all.iter().any(|thread| thread["CurrentURI"] == "/eval.php?slow")
    });
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&last.read(false)).value(), 1);
    server.wait_log(&[RESTARTED]);
    assert_eq!(server.eval("return 1;").value(), 1);
    slow.write_raw(b" 2;");
    assert_eq!(Outcome::of_response(&slow.read(false)).value(), 2);
}

/// Names that are alike in length only: `prefix` and a number.
fn names(prefix: &str) -> String {
    (0..800).map(|number| format!("${prefix}_{number:04} = {number};\n")).collect()
}

/// Texts that lie in opcache's memory, and what they are.
const TEXTS: &str = "$seen = include getenv('DIR') . '/texts.php'; $wrong = [];
    foreach ($seen as $number => $text) { if ($text !== str_repeat(chr(48 + $number % 10), 20) . $number) { $wrong[] = $text; } }
    return [count($seen), $wrong];";

/// Its names and texts were in memory that belonged to other scripts by then: it saw theirs, and released them.
#[test]
fn a_forked_child_that_outlives_a_restart_changes_nothing() {
    let texts: String =
        (0..4000u32).map(|number| format!("'{}{number}',\n", (number % 10).to_string().repeat(20))).collect();
    let server = Igor::new()
        .frankenphp("num_threads 2\nphp_ini opcache.file_update_protection 0")
        .file("kept.php", format!("<?php\n{}", names("kept")).as_str())
        .file("texts.php", format!("<?php return [\n{texts}];").as_str())
        .site(&site("env DIR {$DIR}"))
        .start();
    // The names of the variables are in opcache's memory before the evaluated code uses them.
    let kept = "$kept = getenv('DIR') . '/kept.php'; include $kept; return opcache_is_script_cached($kept);";
    assert_eq!(server.eval(kept).value(), true);
    let kept = names("kept");
    let child = server.eval(&format!(
        "{kept} $child = pcntl_fork(); if ($child === 0) {{
            while (!file_exists(getenv('DIR') . '/go')) {{ usleep(1000); }}
            file_put_contents(getenv('DIR') . '/seen', implode(' ', array_slice(array_keys(get_defined_vars()), -801)));
            return 0;
        }}
        return $child;"
    ));
    let child = child.value().as_u64().expect("a process");
    assert_eq!(server.eval("return opcache_reset();").value(), true);
    // The next request restarts it.
    wait_until("opcache has restarted", || server.eval("return 1;").value() == 1 && server.log.count(RESTARTED) > 0);
    assert_eq!(server.eval(TEXTS).value(), json!([4000, []]));
    fs::write(server.path("go"), "").expect("it can be written");
    wait_until("the child has ended", || !fs::exists(format!("/proc/{child}")).unwrap_or(true));
    let seen: Vec<String> = (0..800).map(|number| format!("kept_{number:04}")).chain(["child".to_owned()]).collect();
    assert_eq!(fs::read_to_string(server.path("seen")).ok(), Some(seen.join(" ")), "what the child sees");
    assert_eq!(server.eval(TEXTS).value(), json!([4000, []]));
}
