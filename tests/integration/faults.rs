//! Faults on purpose (the feature `faults`, `make hard-cases`): a panic in each function that C calls, a bailout in each
//! place of the shim where PHP may leave, and a failing allocation at each allocation of a publish. Each fails at most
//! one request or run; the process, its threads and its snapshots continue.

use crate::common::workers::{script, site};
use crate::common::{Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A fault point, and the PHP code of a request that passes it. Points between two requests, or in the next one, need
/// no code.
type Point = (&'static str, &'static str);

/// Panics in classic requests.
const PANICS: &[Point] = &[
    ("host_next", ""),
    ("host_enter", ""),
    ("host_entered", ""),
    ("host_opcache_reset", "opcache_reset();"),
    ("host_end", ""),
    ("host_interruptible", ""),
    ("host_write", "echo str_repeat('x', 100000);"),
    ("host_flush", "echo 'x'; flush();"),
    ("host_header", "header('x-a: b'); echo 'x'; flush();"),
    ("host_head", "echo 'x'; flush();"),
    ("host_inform", "header('link: </a>'); headers_send(103); echo 'x';"),
    ("host_finish", "echo 'x'; frankenphp_finish_request();"),
    ("host_read_body", ""),
    ("host_read_body_at", "file_get_contents('php://input');"),
    ("host_request_header", "echo count(getallheaders());"),
    ("host_server_vars", "count($_SERVER);"),
    ("host_getenv", "getenv('NOTHING');"),
    ("host_log", "error_log('a message');"),
    ("host_script_error", "no_such_function();"),
    ("host_message", "frankenphp_get_vars('unknown');"),
    ("host_require", "frankenphp_require_background_worker('w');"),
    ("host_ensure", "frankenphp_ensure_background_worker('w');"),
    ("host_ensure_name", "frankenphp_ensure_background_worker(['w']);"),
    ("host_ensure_clear", "frankenphp_ensure_background_worker('w');"),
    ("host_send_update", "mercure_publish('topic', 'data');"),
    ("host_read", "frankenphp_get_vars('w');"),
    ("host_read_done", READ_ENUMS),
];

const READ_ENUMS: &str = "require_once __DIR__ . '/vars/enums.php'; frankenphp_get_vars('w');";

/// Bailouts in classic requests.
const BAILOUTS: &[Point] = &[
    ("execute", ""),
    ("activate", ""),
    ("ini", ""),
    ("read_cookies", ""),
    ("read_post", ""),
    ("default_post_reader", ""),
    ("body", "file_get_contents('php://input');"),
    ("server_variables", ""),
    ("getenv", "getenv('NOTHING');"),
    ("write", "echo str_repeat('x', 100000);"),
    ("flush", "echo 'x'; flush();"),
    ("send_headers", "header('x-a: b'); echo 'x'; flush();"),
    ("send_headers half", "header('x-a: b'); echo 'x'; flush();"),
    ("log", "error_log('a message');"),
    ("error", "echo 'x'; flush(); header('x-a: b');"),
    ("observe_error", "no_such_function();"),
    ("get_vars", "frankenphp_get_vars('w');"),
    ("get_vars pinned", READ_ENUMS),
    ("get_vars read", READ_ENUMS),
    ("copy", READ_ENUMS),
    ("enum", READ_ENUMS),
    ("throw", "frankenphp_get_vars('unknown');"),
    ("require", "frankenphp_require_background_worker('w');"),
    ("ensure", "frankenphp_ensure_background_worker('w');"),
    ("finish_request", "echo 'x'; frankenphp_finish_request();"),
    ("headers_send", "headers_send(103);"),
    ("request_headers", "getallheaders();"),
    ("frankenphp_log", "frankenphp_log('a message', 0, ['a' => 1]);"),
    ("mercure_publish", "mercure_publish(['topic'], 'data');"),
    ("request_shutdown", ""),
];

/// Faults in an HTTP worker: panics first.
const IN_HTTP_WORKERS: &[Point] = &[
    ("host_next_job", ""),
    ("host_next_job after", ""),
    ("host_job_end", ""),
    ("host_job_end after", ""),
    ("host_next", "exit(0);"),
    ("host_next after", "exit(0);"),
    ("host_end", "exit(0);"),
    ("host_end after", "exit(0);"),
    ("host_interruptible", "exit(0);"),
    ("handle_request", ""),
    ("boot_save", "exit(0);"),
    ("boot_save half", "exit(0);"),
    ("boot_release", "exit(0);"),
    ("boot_release half", "exit(0);"),
    ("job_open", ""),
    ("job_open half", ""),
    ("job_open done", ""),
    ("job_close output", "ob_start(); echo 'x';"),
    ("job_close session", ""),
    ("job_close layers", ""),
    ("job_close sapi", "file_get_contents('php://input');"),
    ("job_close ini", "ini_set('precision', '3');"),
    ("job_close reset", "date_default_timezone_set('Asia/Tokyo');"),
    ("copy", "frankenphp_get_vars('w');"),
    ("copy key", "frankenphp_get_vars('w');"),
    ("get_vars pinned", "frankenphp_get_vars('w');"),
    ("host_read_slot", "frankenphp_get_vars('w');"),
    ("host_read_slot after", "frankenphp_get_vars('w');"),
    ("request_shutdown", "exit(0);"),
];

/// Faults in a background worker that its script sees as an exception.
const THROWN_IN_BACKGROUND: &[Point] = &[
    ("host_publish", "frankenphp_set_vars(value(1));"),
    ("publish copied", "frankenphp_set_vars(value(2));"),
    ("host_publish after", "frankenphp_set_vars(value(3));"),
    ("host_worker_handle", "frankenphp_get_worker_handle();"),
];

/// Faults in a background worker that end its run.
const ENDING_IN_BACKGROUND: &[Point] = &[
    ("set_vars", "frankenphp_set_vars(value(4));"),
    ("set_vars published", "frankenphp_set_vars(value(5));"),
    ("handle", "frankenphp_get_worker_handle();"),
    ("throw", "frankenphp_set_vars([new stdClass]);"),
    ("host_next", "exit(0);"),
    ("host_next after", "exit(0);"),
    ("host_end", "exit(0);"),
    ("host_end after", "exit(0);"),
    ("host_interruptible", "exit(0);"),
    ("execute", "exit(1);"),
    ("activate", "exit(1);"),
    ("request_shutdown", "exit(0);"),
];

/// Faults in a script that sends a task.
const IN_SENDERS: &[&str] = &[
    "host_task_send",
    "host_task_read",
    "host_task_read after",
    "host_task_stream",
    "host_task_stream_closed",
    "host_task_abandon",
    "host_task_drop",
    "task send",
    "task read",
    "task value",
    "handle stream",
];

/// Faults in a worker that takes one.
const IN_RECEIVERS: &[&str] = &[
    "host_handle_open",
    "host_handle_stream",
    "host_tick",
    "host_receive",
    "host_task_payload",
    "host_task_update",
    "host_task_complete",
    "host_task_stream",
    "host_task_stream_closed",
    "worker handle",
    "handle stream",
    "receive",
    "task value",
    "task update",
    "task complete",
];

/// Faults in a script that uses a store.
const IN_STORES: &[&str] = &[
    "host_store_open",
    "host_store_get",
    "host_store_set",
    "host_store_set after",
    "host_store_increment",
    "host_store_increment after",
    "host_store_cas",
    "host_store_remove",
    "host_store_clear",
    "host_store_merge",
    "host_store_numbers",
    "host_store_list",
    "host_store_listed",
    "host_store_list_end",
    "host_store_compute",
    "host_store_compute after",
    "host_store_computed",
    "host_store_computed after",
    "host_store_watch",
    "store open",
    "store get",
    "store set",
    "store value",
    "store increment",
    "store cas",
    "store remove",
    "store merge",
    "store list",
    "store compute",
    "store computed",
];

/// Calls every operation of a store.
const STORE: &str = "$s = new FrankenPHP\\SharedArray(); $s->clear(); $s->set('a', 1); $s->get('a'); $s->increment('a');
    $s->cas('a', 2, 3); $s->merge(['b' => [1], 'c' => 'x']); $s->keys(); $s->snapshot(); $n = count($s);
    $s->compute('d', fn () => [1]); $s->pull('d'); unset($s['b']); $s->watch(); return [$s['a'], $s['c'], $n, count($s)];";

/// A worker that takes tasks, arms the fault that a task names, and does everything that a receiver can do.
const RECEIVER: &str = "<?php $h = new FrankenPHP\\WorkerHandle();
    while ($h->tick()) {
        $r = [$h->getStream()]; $n = null;
        stream_select($r, $n, $n, null);
        while ($task = $h->receive()) {
            $fault = $task->getPayload()['fault'];
            try {
                igor_fault($fault, $task->getPayload()['nth'] ?? 1);
                $other = new FrankenPHP\\WorkerHandle(); $other->getStream(); $other->tick(); $other->receive();
                $task->getPayload(); $task->getStream(); $task->update(['a' => 1]);
                $task->complete(['done' => true]);
            } catch (RuntimeException $e) {
                $task->complete(['thrown' => $e->getMessage()]);
            }
        }
    }";

/// Sends a task with a fault for the receiver, and returns what came back.
const SEND: &str = "$t = new FrankenPHP\\SentTaskHandle('t', ['fault' => $fault], 10); $t->getStream(); $last = null;
    while (null !== $u = $t->read()) { $last = $u; }
    $t->abandon(); unset($t); return $last;";

/// Points that no single request reaches: one has its own test, some are callbacks that PHP replaces at its start, and
/// some run only when opcache is full.
const ELSEWHERE: &[&str] =
    &["host_kill_requested", "host_should_end", "host_place", "treat_data", "input_filter", "host_opcache_full"];

/// What `w` publishes: a whole value says its own number everywhere, and holds an enum case.
const VALUES: &str = "<?php require getenv('ROOT') . '/vars/enums.php';
    function value(int $n): array { return ['n' => $n, 'list' => array_fill(0, 500, \"text $n\"), 'deep' => ['a' => ['b' => [$n]]], 'case' => \\Suit\\Pure::Hearts]; }";

/// Whether a value is whole.
const WHOLE: &str = "require_once __DIR__ . '/vars/enums.php'; $v = frankenphp_get_vars('w'); $n = $v['n'];
    return array_unique($v['list']) === [\"text $n\"] && $v['deep'] === ['a' => ['b' => [$n]]] && $v['case'] === \\Suit\\Pure::Hearts;";

fn server(lines: &str) -> Server {
    let boot = "env ROOT {$PHP_TESTS}\nenv BOOT \"require getenv('DIR') . '/values.php'; if (!file_exists(getenv('DIR') . '/published')) { touch(getenv('DIR') . '/published'); frankenphp_set_vars(value(0)); }\"";
    let w = script("{$PHP_TESTS}/puppet.php", "w", &format!("num 1\nmax_consecutive_failures -1\n{boot}"));
    let t = script("{$DIR}/receiver.php", "t", "max_consecutive_failures -1");
    let server = Igor::new()
        .injected_faults()
        .frankenphp(&format!("num_threads 2\n{lines}"))
        .file("values.php", VALUES)
        .file("receiver.php", RECEIVER)
        .site(&site(&format!("{w}{t}worker {{$PHP_TESTS}}/worker.php 1\nphp_value precision 14\n")))
        .start();
    server.eval("frankenphp_ensure_background_worker('w');").value();
    server
}

/// A request that passes every point before its script runs.
fn rich(path: &str) -> Request {
    Request::form(&format!("{path}?raw&a[]=1"), "$b=2;echo 1;")
        .header("cookie", "c=3; d=4")
        .header("authorization", "Basic dTpw")
        .header("x-long", &"x".repeat(1000))
}

/// Arms a fault in one request, sends two others, and proves that the next one is served as usual by the same thread,
/// where the fault has happened, and that at most one of the others was lost.
fn come_by(server: &Server, path: &str, (point, code): (&str, &str)) {
    println!("{point} in {path}");
    let ask = |target: &str, code: &str| server.send(&Request::post(&format!("{path}{target}"), code));
    let first = ask("?raw", &format!("igor_fault('{point}'); {code}"));
    let second = server.send(&rich(path));
    let other = Request::post(&format!("{path}?raw"), "echo 1;").header("content-type", "text/x-php");
    let third = server.send(&other);
    let failed =
        [&first, &second, &third].iter().filter(|response| response.status == 500 && !code.contains("exit")).count();
    let own_failure = usize::from(code.contains("no_such_function") || code.contains("unknown"));
    assert!(failed <= 1 + own_failure, "{point}: {} {} {}", first.status, second.status, third.status);
    let happened = Outcome::of_response(&ask("", "return igor_fault('');"));
    assert_eq!(happened, Outcome::Value(json!(true)), "{point} did not happen");
    let read = Outcome::of_response(&ask("", WHOLE));
    assert_eq!(read, Outcome::Value(json!(true)), "{point}: what is published is not whole");
}

fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid().as_raw_nonzero())).expect("the server runs").count()
}

/// N29: a panic in each function that C calls from a classic request, before and after its work.
#[test]
fn panics_in_classic_requests() {
    let server = server("");
    for (point, code) in PANICS {
        come_by(&server, "/eval.php", (point, code));
        // The log function is not defined like the others, because it is also called without a thread.
        if *point != "host_log" {
            come_by(&server, "/eval.php", (&format!("{point} after"), code));
        }
    }
}

/// N29: a bailout in each callback of a classic request.
#[test]
fn bailouts_in_classic_requests() {
    let server = server("");
    for point in BAILOUTS {
        come_by(&server, "/eval.php", *point);
    }
}

/// N29: an HTTP worker's script restarts where it must, even if the release of what its boot has left fails.
#[test]
fn faults_in_http_workers() {
    let server = server("vars {\nhardened on\nmode copy\n}");
    for (number, point) in IN_HTTP_WORKERS.iter().enumerate() {
        // A version that the script has already read would come from its thread's cache.
        server.puppet("w").eval(&format!("frankenphp_set_vars(value({}));", number + 1)).value();
        come_by(&server, "/worker.php", *point);
    }
}

/// N21, N29: a publisher that fails at any point leaves a complete snapshot, the previous one or its own, and publishes
/// again.
#[test]
fn faults_in_background_workers() {
    let server = server("");
    let mut before = 0;
    for (point, code) in THROWN_IN_BACKGROUND {
        let mut puppet = server.puppet("w");
        let message = puppet.eval(&format!("igor_fault('{point}'); {code}")).thrown("RuntimeException");
        assert!(message.contains("a defect of igor"), "{point}: {message}");
        assert_eq!(puppet.eval("return igor_fault('');").value(), true, "{point} did not happen");
        assert_eq!(server.eval(WHOLE).value(), true, "{point}");
    }
    for (number, (point, code)) in ENDING_IN_BACKGROUND.iter().enumerate() {
        println!("{point} in a background worker");
        server.puppet("w").doom(&format!("igor_fault('{point}'); {code}"));
        assert_eq!(server.eval(WHOLE).value(), true, "{point}");
        let mut puppet = server.puppet("w");
        assert_eq!(puppet.eval("return igor_fault('');").value(), true, "{point} did not happen");
        let n = 100 + number;
        puppet.eval(&format!("frankenphp_set_vars(value({n}));")).value();
        assert_eq!(server.eval(&format!("{READ_ENUMS} return frankenphp_get_vars('w')['n'];")).value(), n, "{point}");
        // Every run has the same descriptors: none is lost to a bailout.
        if number == 0 {
            before = descriptors(&server);
        }
    }
    wait_until("as many descriptors as before", || descriptors(&server) <= before);
}

/// N29: a fault on either side of a task leaves no script waiting, and the next task is done.
#[test]
fn faults_in_tasks() {
    let server = server("");
    let done = || {
        let outcome = server.eval(&format!("$fault = ''; {SEND}")).value();
        assert_eq!(outcome, json!({"done": true}));
    };
    done();
    for point in IN_SENDERS {
        println!("{point} in a sender");
        server.send(&Request::post("/eval.php?raw", format!("igor_fault('{point}'); $fault = ''; {SEND}")));
        done();
    }
    for point in IN_RECEIVERS {
        println!("{point} in a receiver");
        server.send(&Request::post("/eval.php?raw", format!("$fault = '{point}'; {SEND}")));
        done();
    }
}

/// N29: a fault at any point leaves a store consistent, and no computation that others would wait for.
#[test]
fn faults_in_stores() {
    let server = server("store default");
    let done = || assert_eq!(server.eval(STORE).value(), json!([3, "x", 3, 2]));
    done();
    for point in IN_STORES {
        println!("{point} in a script with a store");
        server.send(&Request::post("/eval.php?raw", format!("igor_fault('{point}'); {STORE}")));
        done();
    }
}

/// N21: every allocation of a publish fails once. Each time the publisher gets an exception, and what was published stays.
#[test]
fn allocations_that_fail() {
    let server = server("vars {\nhardened on\n}");
    let code = "$shared = array_map(fn ($n) => [\"text $n\" => str_repeat('x', $n)], range(1, 60));
        $value = fn ($n) => value($n) + ['shared' => [$shared, $shared], 'texts' => [array_keys(array_merge(...$shared)), array_keys(array_merge(...$shared))]];
        require_once getenv('ROOT') . '/vars/values.php';
        frankenphp_set_vars($value(1000)); $refused = 0;
        for ($nth = 1; ; $nth++) {
            $before = frankenphp_get_vars('w');
            igor_fault('memory', $nth);
            try {
                frankenphp_set_vars($value(1000 + $nth));
                $message = null;
            } catch (RuntimeException $e) {
                $message = $e->getMessage();
            }
            if (!igor_fault('')) {
                return ['refused' => $refused, 'tried' => $nth, 'last' => frankenphp_get_vars('w')['n'] === 1000 + $nth];
            }
            if ($message !== null) {
                $refused++;
                if (!str_contains($message, 'no memory left') || frankenphp_get_vars('w') !== $before) { return \"allocation $nth: $message\"; }
            } elseif (difference(frankenphp_get_vars('w'), $value(1000 + $nth)) !== null) {
                return \"allocation $nth: something else was published\";
            }
        }";
    let outcome = server.puppet("w").eval(code).value();
    assert_eq!(outcome["last"], true, "{outcome}");
    let refused = outcome["refused"].as_u64().expect("a number");
    assert!(refused >= 10, "a publish makes more allocations: {outcome}");
    assert_eq!(server.eval(WHOLE).value(), true);
}

/// Arms the n-th allocation for each operation, until one makes fewer. A failed operation changes nothing and says so.
const STORE_ALLOCATIONS: &str = "$s = new FrankenPHP\\SharedArray();
    $value = fn ($n) => ['n' => $n, 'list' => array_map(fn ($i) => [\"text $i\" => str_repeat('x', $i)], range(1, 40)), 'long' => str_repeat('y', 5000)];
    $operations = [
        'set' => fn ($n) => $s['k'] = $value($n),
        'string' => fn ($n) => $s['k'] = str_repeat((string) $n, 5000),
        'merge' => fn ($n) => $s->merge(['k' => $value($n), 'other' => $value($n)]),
        'replace' => fn ($n) => $s->replace(['k' => $value($n)]),
        'add' => fn ($n) => $s->add(\"k$n\", $value($n)),
        'cas' => fn ($n) => $s->cas('k', $s['k'], $value($n)),
        'compute' => fn ($n) => $s->compute(\"computed $n\", fn () => $value($n)),
    ];
    $refused = [];
    foreach ($operations as $name => $operation) {
        $refused[$name] = 0;
        for ($nth = 1; ; $nth++) {
            $before = serialize($s->snapshot());
            igor_fault('memory', $nth);
            try { $operation(\"$name $nth\"); $message = null; } catch (RuntimeException $e) { $message = $e->getMessage(); }
            $happened = igor_fault('');
            $same = serialize($s->snapshot()) === $before;
            if ($message !== null && (!str_contains($message, 'no memory left') || !$same)) { return \"$name $nth: $message\"; }
            if ($message === null && $same) { return \"$name $nth did nothing\"; }
            if (!$happened) { break; }
            $refused[$name] += (int) ($message !== null);
        }
    }
    return $refused;";

/// N21: every allocation for a value of a store fails once. The script gets an exception, and the store stays as it was.
#[test]
fn allocations_for_stores_that_fail() {
    let server = server("store default\nvars {\nhardened on\n}");
    let refused = server.eval(STORE_ALLOCATIONS).value();
    let counts: Vec<u64> =
        refused.as_object().into_iter().flat_map(|all| all.values()).filter_map(|n| n.as_u64()).collect();
    assert!(counts.len() == 7 && counts.iter().all(|count| *count > 0), "each operation allocates: {refused}");
    assert_eq!(server.eval(STORE).value(), json!([3, "x", 3, 2]));
}

/// N21: every allocation for a payload, an update and a result fails once, on the side that makes it. The next task is
/// done.
#[test]
fn allocations_for_tasks_that_fail() {
    let server = server("vars {\nhardened on\n}");
    let sender = "$refused = 0;
        for ($nth = 1; ; $nth++) {
            igor_fault('memory', $nth);
            try { $t = new FrankenPHP\\SentTaskHandle('t', ['fault' => '', 'list' => [[1, 'a'], [2, 'b']], 'text' => str_repeat('x', 5000)], 10); }
            catch (RuntimeException $e) {
                if (!str_contains($e->getMessage(), 'no memory left')) { return $e->getMessage(); }
                $refused++;
            }
            if (!igor_fault('')) { break; }
        }
        while (null !== $u = $t->read()) { $last = $u; }
        return [$refused > 0, $last];";
    assert_eq!(server.eval(sender).value(), json!([true, {"done": true}]));
    let mut refused = 0;
    for nth in 1..100 {
        let send = SEND.replace("'fault' => $fault", &format!("'fault' => 'memory', 'nth' => {nth}"));
        let last = server.eval(&send).value();
        if last == json!({"done": true}) {
            assert!(refused >= 2, "an update and a result are allocated: {refused}");
            return;
        }
        assert!(last["thrown"].as_str().is_some_and(|message| message.contains("no memory left")), "{last}");
        refused += 1;
    }
    panic!("a receiver makes no hundred allocations");
}

/// N21, N29: the leaf that checks whether a script should end panics; the script still ends.
#[test]
fn a_panic_while_a_script_is_being_ended() {
    let mut server = Igor::new()
        .injected_faults()
        .global("grace_period 100ms")
        .frankenphp("num_threads 1")
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}")
        .start();
    let mut connection = server.connect();
    connection.write(&Request::post(
        "/eval.php?raw",
        "igor_fault('host_kill_requested'); touch(getenv('DIR') . '/runs'); while (true);",
    ));
    wait_until("the script", || server.path("runs").exists());
    let stopped = server.stop_by(Signal::TERM);
    assert!(stopped.log.contains("injected fault at host_kill_requested"), "{}", stopped.log);
}

/// N29: the leaf that checks whether the script should end panics; the handler is still installed.
#[test]
fn a_panic_while_a_handler_is_installed() {
    let server = Igor::new().injected_faults().site("root {$PHP_TESTS}\nphp_server").start();
    let code = "igor_fault('host_should_end'); return pcntl_signal(SIGTERM, fn () => null);";
    assert_eq!(server.eval(code).value(), true);
    server.wait_log(&["injected fault at host_should_end"]);
}

/// N29: the leaf that reports where a script is panics; the script continues.
#[test]
fn a_panic_while_an_observer_looks() {
    let server = Igor::new()
        .injected_faults()
        .admin()
        .frankenphp("num_threads 1")
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}")
        .start();
    let mut connection = server.connect();
    let code = "igor_fault('host_place'); while (!file_exists(getenv('DIR') . '/go')); return 1;";
    connection.write(&Request::post("/eval.php", code));
    wait_until("the fault", || {
        server.ask_admin(&Request::get("/frankenphp/threads"));
        server.log.text().contains("injected fault at host_place")
    });
    fs::write(server.path("go"), "").expect("a file can be made");
    assert_eq!(connection.read(false).json()["value"], 1);
}

/// N29: no function that C calls, and no place in the shim, is without a test.
#[test]
fn every_point_is_tested() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("c");
    let contract = fs::read_to_string(folder.join("shim.h")).expect("the contract can be read");
    let mut points: BTreeSet<String> = contract
        .match_indices("host_")
        .map(|(at, _)| {
            contract[at..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
        })
        .filter(|name| contract.contains(&format!("{name}(void *host")))
        // In builds of their own.
        .filter(|name| !matches!(*name, "host_launder" | "host_bench_snapshot_bytes"))
        .map(str::to_owned)
        .collect();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let source = fs::read_to_string(entry.expect("the folder can be read").path()).expect("sources are text");
        let named =
            source.split("IGOR_FAULT(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned());
        points.extend(named);
    }
    let tables = [PANICS, BAILOUTS, IN_HTTP_WORKERS, THROWN_IN_BACKGROUND, ENDING_IN_BACKGROUND];
    let tested: BTreeSet<String> = tables
        .concat()
        .iter()
        .map(|(point, _)| *point)
        .chain([IN_SENDERS, IN_RECEIVERS, IN_STORES, ELSEWHERE].concat())
        .map(str::to_owned)
        .collect();
    let missing: Vec<_> = points.difference(&tested).collect();
    assert!(missing.is_empty(), "no test comes by {missing:?}");
}
