//! Values and moments that break systems that share memory between threads (docs/hard-cases.md). Long tests run as a
//! sample; completely with HARD_CASES=whole (`make hard-cases`).

use crate::common::workers::{READY, ensure, puppet, read, script, site};
use crate::common::{Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};

/// The number of repetitions: in a sample, or in a whole run.
fn times(sample: usize, whole: usize) -> usize {
    if std::env::var_os("HARD_CASES").is_some_and(|value| value == "whole") { whole } else { sample }
}

/// A puppet named `w` that has published nothing but `[]`, an HTTP worker, and two classic threads.
fn server(lines: &str) -> Server {
    let boot = "num 1\nmax_consecutive_failures -1\nenv BOOT \"require __DIR__ . '/vars/values.php'; frankenphp_set_vars([]);\"";
    let workers = format!("{}{}worker {{$PHP_TESTS}}/worker.php 1\n", puppet("w", boot), puppet("reader", boot));
    let server = Igor::new().frankenphp(&format!("num_threads 3\n{lines}")).site(&site(&workers)).start();
    server.eval("frankenphp_ensure_background_worker(['w', 'reader']);").value();
    server
}

fn publish(server: &Server, vars: &str) {
    server.puppet("w").eval(&format!("frankenphp_set_vars({vars});")).value();
}

fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid().as_raw_nonzero())).expect("the server runs").count()
}

/// N13: two threads write to their read values in every way, in a whole run a million times.
#[test]
fn two_threads_that_write_to_what_they_read() {
    let server = server("");
    let nested = "['list' => [3, 1, 2], 'map' => ['b' => 'x', 'a' => 'y'], 'nested' => ['deeper' => ['deepest' => 'ground']], 'text' => 'text', 'number' => 1]";
    publish(&server, nested);
    let checksum = "return hash('sha256', serialize(frankenphp_get_vars('w')));";
    let before = server.eval(checksum).value();
    let rounds = 500;
    let code = format!(
        "require_once __DIR__ . '/vars/mutate.php'; set_time_limit(0);
         for ($i = 0; $i < {rounds}; $i++) {{ mutate_all(frankenphp_get_vars('w')); }} return frankenphp_get_vars('w') === {nested};"
    );
    let mut threads = [server.connect(), server.connect()];
    for _ in 0..times(2, 500_000 / rounds) {
        for connection in &mut threads {
            connection.write(&Request::post("/eval.php", code.clone()));
        }
        for connection in &mut threads {
            assert_eq!(Outcome::of_response(&connection.read(false)).value(), true);
        }
    }
    assert_eq!(server.eval(checksum).value(), before);
}

/// N14: an HTTP worker keeps the first version in statics, or a text or an array of it, over thousands of requests in
/// which as many versions go by. It stays what it was; memory is bounded by the budget; and the log warns once.
#[test]
fn a_worker_script_that_keeps_an_old_version() {
    const SNAPSHOT_BYTES: usize = 200_000;
    const BUDGET_BYTES: usize = 4 << 20;
    // What PHP, the allocator and the log's reader may need in addition: far less than all versions together.
    const ELSE_BYTES: usize = 48 << 20;
    for kept in ["$v", "$v['text']", "$v['nested']['one']"] {
        let server = server("vars {\nhardened on\nthread_budget_bytes 4MiB\n}");
        let value = |n: &str| {
            format!(
                "['n' => {n}, 'text' => \"the text of {n}\", 'nested' => ['one' => ['two' => {n}]], 'list' => range({n}, {n} + 1000), 'filler' => str_repeat('x', {SNAPSHOT_BYTES})]"
            )
        };
        publish(&server, &value("1"));
        let keep = format!(
            "$v = frankenphp_get_vars('w'); $state->kept = {kept}; $state->print = serialize({kept}); return true;"
        );
        assert_eq!(server.eval_in_worker(&keep).value(), true);
        let mut puppet = server.puppet("w");
        let mut connection = server.connect();
        let versions = times(400, 10_000);
        let mut before = None;
        for n in 2..versions {
            puppet.eval(&format!("frankenphp_set_vars({});", value(&n.to_string()))).value();
            let look = "return [frankenphp_get_vars('w')['n'], serialize($state->kept) === $state->print];";
            let seen = Outcome::of_response(&connection.send(&Request::post("/worker.php", look))).value();
            assert_eq!(seen, json!([n, true]), "{kept}");
            // By then the budget is used up and every buffer has its size.
            if n == 100 {
                before = server.resident_bytes();
            }
        }
        let growth = server.growth_since(before);
        let bound = BUDGET_BYTES + 2 * SNAPSHOT_BYTES + ELSE_BYTES;
        assert!(bound < versions * SNAPSHOT_BYTES, "the bound proves something");
        assert!(growth < bound, "{kept}: memory grew by {growth} bytes while {versions} versions went by");
        let stopped = server.stop();
        let warnings: Vec<_> = stopped.log.lines().filter(|line| line.contains("are copied for")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:#?}");
        for part in ["\"w\"", "worker.php", "thread_budget_bytes (4194304 bytes)", "raise thread_budget_bytes"] {
            assert!(warnings[0].contains(part), "{part} in: {}", warnings[0]);
        }
    }
}

/// N19: an autoloader in the middle of a read that exits, runs out of memory or time, or throws.
#[test]
fn a_read_that_ends_in_its_autoloader() {
    let server = server("");
    server.puppet("w").eval("require_once __DIR__ . '/vars/enums.php'; frankenphp_set_vars(['case' => \\Suit\\Pure::Hearts, 'n' => 0]);").value();
    let ends = [
        ("exit(0);", 200),
        ("exit(3);", 200),
        ("throw new DomainException('from the autoloader');", 500),
        ("ini_set('memory_limit', '8M'); $all = []; while (true) { $all[] = str_repeat('x', 4096); }", 500),
        ("set_time_limit(1); while (true);", 500),
        ("no_such_function();", 500),
    ];
    for (number, (end, status)) in ends.iter().enumerate() {
        let code = format!("spl_autoload_register(function () {{ {end} }}); frankenphp_get_vars('w'); echo 'read';");
        for path in ["/eval.php?raw", "/worker.php?raw"] {
            // The script of the HTTP worker has loaded the enum by then, so it is restarted.
            server.send(&Request::post("/worker.php?raw", "exit(0);"));
            let response = server.send(&Request::post(path, code.clone()));
            assert_eq!((response.status, response.text().contains("read")), (*status, false), "{end} in {path}");
            let publish = format!("frankenphp_set_vars(['case' => \\Suit\\Pure::Hearts, 'n' => {number}]);");
            server.puppet("w").eval(&publish).value();
            let look = "require_once __DIR__ . '/vars/enums.php'; return frankenphp_get_vars('w')['n'];";
            for outcome in [server.eval(look), server.eval_in_worker(look), server.puppet("reader").eval(look)] {
                assert_eq!(outcome.value(), number, "after {end} in {path}");
            }
        }
    }
}

/// N19: an autoloader that leaves its fiber in the middle of a read, which continues after the snapshot was replaced, or
/// never.
#[test]
fn a_read_that_is_suspended_in_its_autoloader() {
    let server = server("");
    let publish = |n: usize| {
        let code = format!(
            "require_once __DIR__ . '/vars/enums.php'; frankenphp_set_vars(['case' => \\Suit\\Pure::Hearts, 'n' => {n}]);"
        );
        server.puppet("w").eval(&code).value();
    };
    publish(1);
    server.puppet("reader").eval("frankenphp_set_vars(['other']);").value();
    let code = "spl_autoload_register(function () { Fiber::suspend('in the autoloader'); require_once __DIR__ . '/vars/enums.php'; });
        $read = new Fiber(fn () => frankenphp_get_vars('w'));
        $seen = [$read->start(), frankenphp_get_vars('reader')];
        touch(getenv('DIR') . '/suspended');
        while (!file_exists(getenv('DIR') . '/replaced')) { usleep(1000); clearstatcache(); }
        if (isset($_GET['leave'])) { return $seen; }
        $read->resume();
        return [...$seen, $read->getReturn()['n'], $read->getReturn()['case'] === \\Suit\\Pure::Hearts, frankenphp_get_vars('w')['n']];";
    for (number, target) in ["/eval.php", "/worker.php", "/eval.php?leave", "/worker.php?leave"].iter().enumerate() {
        let [old, new] = [2 * number + 1, 2 * number + 2];
        for name in ["suspended", "replaced"] {
            let _ = fs::remove_file(server.path(name));
        }
        publish(old);
        let mut connection = server.connect();
        // Each request needs a script that does not know the enum yet; the one of an HTTP worker is restarted.
        connection.write(&Request::post(target, code));
        wait_until("the suspended read", || server.path("suspended").exists());
        publish(new);
        fs::write(server.path("replaced"), "").expect("files can be written");
        let seen = Outcome::of_response(&connection.read(false)).value();
        let mut expected = vec![json!("in the autoloader"), json!(["other"])];
        if !target.contains("leave") {
            expected.extend([json!(old), json!(true), json!(new)]);
        }
        assert_eq!(seen, json!(expected), "{target}");
        server.send(&Request::post("/worker.php?raw", "exit(0);"));
    }
}

/// N20: an autoloader that reads and publishes while its thread is in the middle of a read.
#[test]
fn an_autoloader_that_publishes() {
    let server = server("");
    server.puppet("w").eval("require_once __DIR__ . '/vars/enums.php'; frankenphp_set_vars(['case' => \\Suit\\Pure::Hearts, 'n' => 1]);").value();
    let code = "$GLOBALS['seen'] = [];
        spl_autoload_register(function () {
            for ($n = 0; $n < 100; $n++) { frankenphp_set_vars(['n' => $n, 'text' => str_repeat('x', 1000)]); $GLOBALS['seen'][] = frankenphp_get_vars('reader')['n']; }
            require_once __DIR__ . '/vars/enums.php';
        });
        $v = frankenphp_get_vars('w');
        return [$v['n'], $v['case'] === \\Suit\\Pure::Hearts, $GLOBALS['seen'] === range(0, 99), frankenphp_get_vars('reader')['n']];";
    assert_eq!(server.puppet("reader").eval(code).value(), json!([1, true, true, 99]));
    assert_eq!(server.eval("return frankenphp_get_vars('reader')['n'];").value(), 99);
}

/// N21: a publish takes nothing from the memory of the request; and where the limit is met in telling of a refusal, the
/// run ends and the snapshot stays.
#[test]
fn the_memory_limit_in_the_middle_of_a_publish() {
    let server = server("");
    publish(&server, "['n' => 0]");
    let fill = "ini_set('memory_limit', '32M'); $big = range(1, 200000);
        $left = fn () => 32 * 1024 * 1024 - memory_get_usage(true); $all = [];
        while ($left() > 4 << 20) { $all[] = str_repeat('x', 1 << 20); }";
    let code = format!(
        "{fill} $v = ['n' => 1, 'big' => $big, 'all' => $all]; frankenphp_set_vars($v); return array_sum(array_map(strlen(...), $all)) > 1 << 20;"
    );
    assert_eq!(server.puppet("w").eval(&code).value(), true);
    assert_eq!(server.eval("return array_sum(frankenphp_get_vars('w')['big']);").value(), 20_000_100_000u64);
    let refused = "ini_set('memory_limit', '32M'); $bad = ['deep' => [str_repeat('k', 1000) => new stdClass]];
        $all = []; try { while (true) { $all[] = str_repeat('x', 100000); if (memory_get_usage() > 30 << 20) { frankenphp_set_vars($bad); } } } catch (ValueError) { goto on; }
        on: try { while (true) { $all[] = str_repeat('x', 64); try { frankenphp_set_vars($bad); } catch (ValueError $e) { $all[] = $e; } } } finally { }";
    server.puppet("w").doom(refused);
    server.wait_log(&["background worker failed", "Allowed memory size of 33554432 bytes exhausted"]);
    wait_until("what the new run published", || read(&server, "w").value() == json!([]));
    publish(&server, "['n' => 2]");
    assert_eq!(read(&server, "w").value(), json!({"n": 2}));
}

/// N21: a publisher that publishes without a pause is ended by force, at whatever point it is.
#[test]
fn a_publisher_that_is_ended_by_force() {
    for round in 0..times(2, 50) {
        let w = puppet("w", "num 1\nenv BOOT \"frankenphp_set_vars(['n' => 0]);\"");
        let mut server = Igor::new().global("grace_period 50ms").frankenphp("num_threads 1").site(&site(&w)).start();
        ensure(&server, "w");
        let text = "str_repeat('x', $n % 1000)";
        server.puppet("w").start(&format!("touch(getenv('DIR') . '/runs'); for ($n = 1;; $n++) {{ frankenphp_set_vars(['n' => $n, 'text' => {text}, 'list' => array_fill(0, $n % 50, $n)]); }}"));
        wait_until("the publisher", || server.path("runs").exists());
        let code = "$v = frankenphp_get_vars('w'); $n = $v['n']; return strlen($v['text'] ?? '') === ($n ? $n % 1000 : 0) && ($v['list'] ?? []) === array_fill(0, $n % 50, $n);";
        assert_eq!(server.eval(code).value(), true, "round {round}");
        let stopped = server.stop_by(Signal::TERM);
        assert!(stopped.log.contains("interrupting a script"), "{}", stopped.log);
    }
}

/// N22: the publisher crashes, restarts and is given up, without opcache too: its constants go with its run, its snapshot
/// stays.
#[test]
fn publishers_that_end_without_opcache() {
    for opcache in ["1", "0"] {
        let server = Igor::new()
            .frankenphp(&format!("php_ini opcache.enable {opcache}"))
            .file("w.php", "<?php const LITERAL = ['a' => ['b' => 'a literal text', 'c' => [1, 2, 3]]]; frankenphp_set_vars(LITERAL); fgets(frankenphp_get_worker_handle());")
            .file("crash.php", "<?php frankenphp_set_vars(['a' => ['b' => 'a ' . 'literal text', 'c' => [1, 2, 3]]]); exit(9);")
            .site(&site(&format!(
                "{}{}",
                script("{$DIR}/w.php", "w", "num 1"),
                script("{$DIR}/crash.php", "crash", "num 1\nmax_consecutive_failures 3")
            )))
            .start();
        let literal = json!({"a": {"b": "a literal text", "c": [1, 2, 3]}});
        ensure(&server, "w");
        server.wait_log(&["given up", "worker=\"crash\""]);
        for _ in 0..20 {
            for name in ["w", "crash"] {
                assert_eq!(read(&server, name).value(), literal, "{name}, opcache.enable={opcache}");
            }
        }
    }
}

/// N24: a publisher never waits for a reader: thousands of publishes go by while a reader sleeps on one of them.
#[test]
fn a_publisher_beside_a_reader_that_sleeps() {
    let server = server("");
    publish(&server, "['n' => 0, 'text' => str_repeat('x', 300000)]");
    let code = "set_time_limit(0); $v = frankenphp_get_vars('w'); touch(getenv('DIR') . '/read');
        while (!file_exists(getenv('DIR') . '/done')) { usleep(1000); clearstatcache(); }
        return [$v['n'], strlen($v['text']), frankenphp_get_vars('w')['n']];";
    let mut connection = server.connect();
    connection.write(&Request::post("/eval.php", code));
    wait_until("the reader", || server.path("read").exists());
    let before = server.resident_bytes();
    let versions = times(2000, 100_000);
    let mut puppet = server.puppet("w");
    // The deadline of an answer is for few enough.
    for first in (1..=versions).step_by(100) {
        let last = first + 99;
        let publish = format!(
            "$text = str_repeat('y', 300000); for ($n = {first}; $n <= {last}; $n++) {{ $text[$n % 300000] = 'z'; frankenphp_set_vars(['n' => $n, 'text' => $text]); }} return true;"
        );
        assert_eq!(puppet.eval(&publish).value(), true);
    }
    let growth = server.growth_since(before);
    assert!(growth < 64 << 20, "memory grew by {growth} bytes while {versions} versions of 300,000 bytes went by");
    fs::write(server.path("done"), "").expect("files can be written");
    assert_eq!(Outcome::of_response(&connection.read(false)).value(), json!([0, 300_000, versions]));
}

/// N26: the server stops while a request, an HTTP worker and a background worker still hold snapshots, some of them
/// replaced; and a pool loses a thread that holds one.
#[test]
fn threads_that_end_while_they_hold_snapshots() {
    let pool = puppet("pool", "num 2\nmax_consecutive_failures 1\nenv BOOT \"frankenphp_set_vars([]);\"");
    let workers = format!(
        "{}{pool}worker {{$PHP_TESTS}}/worker.php 1\n",
        puppet("w", "num 1\nenv BOOT \"frankenphp_set_vars([]);\"")
    );
    let mut server = Igor::new()
        .global("grace_period 200ms")
        .frankenphp("num_threads 3\nvars {\nhardened on\nmode zero_copy\n}")
        .site(&site(&workers))
        .start();
    server.eval("frankenphp_ensure_background_worker(['w', 'pool']);").value();
    publish(&server, "['n' => 1, 'text' => str_repeat('x', 300000)]");
    let hold = "$GLOBALS['held'][] = frankenphp_get_vars('w'); return count($GLOBALS['held']);";
    for (number, thread) in [0, 1].iter().enumerate() {
        server.puppet_thread("pool", *thread).eval(hold).value();
        publish(&server, &format!("['n' => 2, 'i' => {number}, 'text' => str_repeat('y', 300000)]"));
    }
    server.puppet_thread("pool", 1).doom("exit(5);");
    server.wait_log(&["given up", "worker=\"pool\""]);
    let look = "$last = end($GLOBALS['held']); return [$last['n'], $last['text'] === str_repeat('x', 300000)];";
    assert_eq!(server.puppet_thread("pool", 0).eval(look).value(), json!([1, true]));
    server.eval_in_worker("$state->held = frankenphp_get_vars('w'); return true;").value();
    let mut connection = server.connect();
    connection.write(&Request::post("/eval.php", "$v = frankenphp_get_vars('w'); touch(getenv('DIR') . '/holds'); while (true) { usleep(100000); if (strlen($v['text']) !== 300000) { exit(1); } }"));
    wait_until("the request", || server.path("holds").exists());
    publish(&server, "['n' => 3]");
    let stopped = server.stop_by(Signal::TERM);
    assert!(stopped.log.contains("interrupting a script"), "{}", stopped.log);
}

/// N26: threads that load has added end when they are idle; what they have read is freed with their requests.
#[test]
#[ignore = "a surplus thread stays idle for 30 seconds before it ends; `make hard-cases` runs it"]
fn a_pool_that_shrinks() {
    let w = puppet("w", "num 1\nenv BOOT \"frankenphp_set_vars(['text' => str_repeat('x', 300000)]);\"");
    let server = Igor::new().frankenphp("num_threads 1\nmax_threads 4").site(&site(&w)).start();
    ensure(&server, "w");
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", server.pid().as_raw_nonzero())).expect("the server runs");
        tasks
            .filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok())
            .filter(|name| name.starts_with("php-"))
            .count()
    };
    let mut readers: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for (number, connection) in readers.iter_mut().enumerate() {
        let read = format!("$v = frankenphp_get_vars('w'); touch(getenv('DIR') . '/has-read-{number}');");
        let wait = "while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } return strlen($v['text']);";
        connection.write(&Request::post("/eval.php", format!("{read} {wait}")));
    }
    wait_until("four readers", || (0..4).all(|number| server.path(&format!("has-read-{number}")).exists()));
    assert_eq!(threads(), 4);
    publish(&server, "['text' => 'short']");
    fs::write(server.path("go"), "").expect("files can be written");
    for connection in &mut readers {
        assert_eq!(Outcome::of_response(&connection.read(false)).value(), 300_000);
    }
    let until = Instant::now() + Duration::from_secs(90);
    while threads() > 1 {
        assert!(Instant::now() < until, "{} threads are left", threads());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(read(&server, "w").value(), json!({"text": "short"}));
}

/// N27: one thread reads two workers of one name in turn, each of another scope.
#[test]
fn one_name_in_two_scopes_read_in_turn() {
    let of = |host: &str| {
        let boot = format!("num 1\nenv PUPPET {host}\nenv BOOT \"frankenphp_set_vars(['of' => getenv('PUPPET')]);\"");
        site(&puppet("same", &boot))
    };
    let sites = [("a.test", of("a")), ("b.test", of("b"))];
    let sites: Vec<_> = sites.iter().map(|(host, lines)| (*host, lines.as_str())).collect();
    let server = Igor::new().frankenphp("num_threads 1").hosts(&sites).start();
    for host in ["a.test", "b.test"] {
        server.eval_at(host, "frankenphp_ensure_background_worker('same');").value();
    }
    for n in 0..100 {
        for host in ["a", "b"] {
            if n % 10 == 0 {
                server.puppet(host).eval(&format!("frankenphp_set_vars(['of' => '{host}', 'n' => {n}]);")).value();
            }
            let seen = server.eval_at(
                &format!("{host}.test"),
                "return frankenphp_get_vars('same')['of'] . frankenphp_get_vars('same')['n'];",
            );
            assert_eq!(seen.value(), format!("{host}{}", n - n % 10));
        }
    }
}

/// N27: names of every kind.
#[test]
fn names_of_every_kind() {
    let catch_all = "worker {$PHP_TESTS}/puppet.php {\nbackground\nenv BOOT \"frankenphp_set_vars(['name' => $_SERVER['FRANKENPHP_WORKER_NAME']]);\"\n}\n";
    let server = Igor::new().site(&site(catch_all)).start();
    for name in ["''", "\"a\\0b\"", "\"\\0\"", "str_repeat('n', 65536)", "\"\\xff\\xfe\""] {
        for call in ["require_background_worker", "ensure_background_worker", "get_vars"] {
            let outcome = server.eval(&format!("frankenphp_{call}({name});"));
            assert!(matches!(outcome, Outcome::Thrown { .. }), "{call}({name}) gave {outcome:?}");
        }
    }
    for name in ["0", "-1", "08", "9223372036854775807", "1.5", " ", "m#x:y", "ein Name mit Umlaut: ü"] {
        let code = format!(
            "frankenphp_ensure_background_worker('{name}'); return [frankenphp_get_vars('{name}')['name'], frankenphp_get_vars(['{name}'])];"
        );
        let seen = server.eval(&code).value();
        assert_eq!(seen[0], name);
        let read_as_array = &seen[1];
        // JSON shows an array with the single key 0 as a list.
        let value = if name == "0" { &read_as_array[0] } else { &read_as_array[name] };
        assert_eq!(value["name"], name, "{seen}");
    }
}

/// N28: a worker closes its handle and asks again, in run after run: no descriptor more. And it serves no requests.
#[test]
fn handles_over_many_runs() {
    let boot = "for ($i = 0; $i < 5; $i++) { $handle = frankenphp_get_worker_handle(); stream_set_blocking($handle, false); if (fgets($handle) !== false || feof($handle)) { exit(9); } if ($i % 2) { fclose($handle); } } frankenphp_set_vars(['run' => hrtime(true)]);";
    let server = Igor::new().site(&site(&puppet("w", &format!("num 1\nenv BOOT `{boot}`\n")))).start();
    ensure(&server, "w");
    let refused = server.puppet("w").eval("frankenphp_handle_request(fn () => 1);").thrown("RuntimeException");
    assert!(refused.contains("frankenphp_handle_request() cannot be called in a background worker"), "{refused}");
    let mut before = 0;
    for run in 0..times(20, 1000) {
        server.puppet("w").doom("exit(0);");
        server.puppet("w").eval("return 1;").value();
        if run == 2 {
            before = descriptors(&server);
        }
    }
    wait_until("no descriptor more", || descriptors(&server) <= before);
    assert_eq!(server.log.count("background worker failed"), 0);
}

/// N28: a worker that is ready by what the other tests use too.
#[test]
fn a_closed_handle_does_not_end_the_worker() {
    let server = Igor::new().site(&site(&puppet("w", &format!("num 1\n{READY}")))).start();
    ensure(&server, "w");
    let mut puppet = server.puppet("w");
    let code = "$one = frankenphp_get_worker_handle(); $two = frankenphp_get_worker_handle(); fclose($one);
        $read = [$two]; $write = $except = null; return [stream_select($read, $write, $except, 0), is_resource($one), is_resource($two), feof(frankenphp_get_worker_handle())];";
    for _ in 0..3 {
        assert_eq!(puppet.eval(code).value(), json!([0, false, true, false]));
    }
}
