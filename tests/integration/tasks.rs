//! Tasks when their worker is restarted, killed, taken out or stopped, and when their queue is full: the sender is answered each
//! time.

use crate::common::workers::{assert_holds, script, site};
use crate::common::{Igor, Outcome, Request, Server, wait_until};
use serde_json::json;
use std::fs;
use std::thread;

/// Takes tasks. One that says `wait` is held until a file is there, one that says `hang` for ever.
const RECEIVER: &str = "<?php $h = new FrankenPHP\\WorkerHandle();
    while ($h->tick()) {
        $r = [$h->getStream()]; $n = null;
        stream_select($r, $n, $n, null);
        while ($task = $h->receive()) {
            $do = $task->getPayload()['do'];
            file_put_contents(getenv('DIR') . '/taken', $do);
            while ($do === 'hang' || ($do === 'wait' && !file_exists(getenv('DIR') . '/go'))) { usleep(1000); }
            $task->complete(['did' => $do]);
            if ($do === 'wait') { continue 2; }
        }
    }";

fn server(lines: &str, global: &str) -> Server {
    configured(lines, global).start()
}

fn configured(lines: &str, global: &str) -> Igor {
    let worker = script("{$DIR}/receiver.php", "t", &format!("max_consecutive_failures -1\n{lines}"));
    let other = script("{$DIR}/receiver.php", "other", "");
    Igor::new()
        .admin()
        .global(global)
        .frankenphp("num_threads 6")
        .file("receiver.php", RECEIVER)
        .site(&site(&format!("{worker}{other}")))
}

/// Sends a task and returns what came back.
fn send(server: &Server, what: &str, timeout: &str) -> Outcome {
    server.eval(&format!("return (new FrankenPHP\\SentTaskHandle('t', ['do' => '{what}'], {timeout}))->read();"))
}

fn taken(server: &Server, what: &str) {
    wait_until("the task is taken", || fs::read_to_string(server.path("taken")).is_ok_and(|taken| taken == what));
}

fn queued(server: &Server, count: u64) {
    wait_until("tasks wait", || server.seen_worker("t")["tasks"]["queued"] == count);
}

#[test]
fn a_full_queue_makes_the_sender_wait_within_its_timeout() {
    let server = server("max_tasks 1", "");
    thread::scope(|scope| {
        let first = scope.spawn(|| send(&server, "wait", "30"));
        taken(&server, "wait");
        let second = scope.spawn(|| send(&server, "second", "30"));
        queued(&server, 1);
        let message = send(&server, "third", "0.2").thrown("RuntimeException");
        assert_holds(&message, &["\"t\" has not taken the task within 0.2 s", "its queue is full", "max_tasks"]);
        fs::write(server.path("go"), "").expect("a file can be made");
        assert_eq!(first.join().expect("no panic").value()["did"], "wait");
        assert_eq!(second.join().expect("no panic").value()["did"], "second");
    });
}

/// Each sender waits with its payload in memory, and only their number was bounded.
#[test]
fn payloads_that_wait_are_bounded_together() {
    let server = configured("", "").frankenphp("vars {\nmax_bytes 1MiB\n}").start();
    let large = |timeout: &str| {
        server.eval(&format!(
            "return (new FrankenPHP\\SentTaskHandle('t', ['do' => 'large', 'x' => str_repeat('x', 900_000)], {timeout}))->read();"
        ))
    };
    thread::scope(|scope| {
        let first = scope.spawn(|| send(&server, "wait", "30"));
        taken(&server, "wait");
        let waiting: Vec<_> = (0..4).map(|_| scope.spawn(|| large("30"))).collect();
        queued(&server, 4);
        let message = large("30").thrown("RuntimeException");
        assert_holds(
            &message,
            &["\"t\" has no room for the task", "all may have 4194304", "max_bytes of the vars block"],
        );
        fs::write(server.path("go"), "").expect("a file can be made");
        assert_eq!(first.join().expect("no panic").value()["did"], "wait");
        for large in waiting {
            assert_eq!(large.join().expect("no panic").value()["did"], "large");
        }
    });
    assert_eq!(large("30").value()["did"], "large", "the room is free again");
}

#[test]
fn a_queued_task_waits_for_the_run_after_a_restart() {
    let server = server("", "");
    thread::scope(|scope| {
        let first = scope.spawn(|| send(&server, "wait", "30"));
        taken(&server, "wait");
        let second = scope.spawn(|| send(&server, "second", "30"));
        queued(&server, 1);
        let restart = scope.spawn(|| server.ask_admin(&Request::post("/frankenphp/workers/restart", "")).status);
        fs::write(server.path("go"), "").expect("a file can be made");
        assert_eq!(first.join().expect("no panic").value()["did"], "wait", "the running one is completed");
        assert_eq!(
            second.join().expect("no panic").value()["did"],
            "second",
            "the queued one is taken by the next run"
        );
        assert_eq!(restart.join().expect("no panic"), 200);
    });
}

#[test]
fn a_task_of_a_killed_run_is_aborted_and_the_next_is_done() {
    let server = server("", "grace_period 200ms");
    thread::scope(|scope| {
        let hanging = scope.spawn(|| send(&server, "hang", "30"));
        taken(&server, "hang");
        assert_eq!(server.ask_admin(&Request::post("/frankenphp/workers/restart", "")).status, 200);
        let message = hanging.join().expect("no panic").thrown("RuntimeException");
        assert_holds(&message, &["background worker \"t\" ended without completing the task"]);
    });
    assert_eq!(send(&server, "next", "30").value()["did"], "next");
    server.wait_log(&["background worker \"t\" ended without completing the task"]);
}

#[test]
fn a_reload_that_removes_the_worker_refuses_what_is_queued() {
    let server = server("", "grace_period 200ms");
    thread::scope(|scope| {
        let hanging = scope.spawn(|| send(&server, "hang", "30"));
        taken(&server, "hang");
        let second = scope.spawn(|| send(&server, "second", "30"));
        queued(&server, 1);
        let text = fs::read_to_string(server.path("Caddyfile")).expect("the Caddyfile can be read");
        let answer = server.ask_admin(&Request::post("/load", text.replace("name t\n", "name renamed\n")));
        assert_eq!(answer.status, 200, "{}", answer.text());
        second.join().expect("no panic").thrown("RuntimeException");
        hanging.join().expect("no panic").thrown("RuntimeException");
    });
}

#[test]
fn a_stop_answers_every_sender() {
    let mut server = server("", "grace_period 300ms");
    let (mut first, mut second) = (server.connect(), server.connect());
    let code = |what: &str| {
        let code = format!(
            "echo (function () {{ try {{ (new FrankenPHP\\SentTaskHandle('t', ['do' => '{what}'], 30))->read(); }}
            catch (RuntimeException $e) {{ return $e->getMessage(); }} }})();"
        );
        Request::post("/eval.php?raw", code)
    };
    first.write(&code("hang"));
    taken(&server, "hang");
    second.write(&code("second"));
    queued(&server, 1);
    server.stop_by(rustix::process::Signal::TERM);
    let refused = second.read(false);
    assert_holds(&refused.text(), &["\"t\""]);
}

/// Ends of a script, each in the middle of what it does.
const ENDS: &[&str] = &[
    "exit(0);",
    "no_such_function();",
    "ini_set('memory_limit', '8M'); str_repeat('x', 1 << 27);",
    "set_time_limit(1); while (true);",
    "throw new DomainException('over');",
];

fn nothing_is_left(server: &Server, what: &str) {
    wait_until(&format!("no task is left: {what}"), || {
        let tasks = &server.seen_worker("t")["tasks"];
        tasks["queued"] == 0 && tasks["running"] == 0
    });
}

/// A sender ends with its task running, with unread updates, or complete: the receiver is free for the next task.
#[test]
fn a_sender_that_dies_in_every_state() {
    let receiver = "<?php $h = new FrankenPHP\\WorkerHandle();
        while ($h->tick()) {
            $r = [$h->getStream()]; $n = null;
            stream_select($r, $n, $n, null);
            while ($task = $h->receive()) {
                try {
                    for ($i = 0; $i < $task->getPayload()['updates']; $i++) { $task->update(['i' => $i]); }
                    if ($task->getPayload()['holds']) { $r = [$task->getStream()]; stream_select($r, $n, $n, null); }
                    $task->complete(['did' => 'all']);
                } catch (RuntimeException) {
                }
            }
        }";
    let server = Igor::new()
        .admin()
        .frankenphp("num_threads 2")
        .file("dying.php", receiver)
        .site(&site(&script("{$DIR}/dying.php", "t", "max_consecutive_failures -1")))
        .start();
    let send = |updates: usize, holds: bool| {
        format!("$t = new FrankenPHP\\SentTaskHandle('t', ['updates' => {updates}, 'holds' => {holds}], 30);")
    };
    let states = [
        ("running", send(0, true)),
        ("with a stream", format!("{}$stream = $t->getStream();", send(0, true))),
        ("with unread updates", send(3, true)),
        ("while the receiver waits for room", send(40, false)),
        ("having read some", format!("{}$t->read();", send(3, true))),
        ("complete and unread", send(0, false)),
        ("complete and read", format!("{}while ($t->read()) {{}}", send(2, false))),
        ("abandoned", format!("{}$t->abandon();", send(0, true))),
    ];
    for (state, code) in &states {
        for end in ENDS {
            server.send(&Request::post("/eval.php?raw", format!("{code} {end}")));
            nothing_is_left(&server, &format!("{state}, {end}"));
        }
    }
    let next = format!("{} $last = null; while ($u = $t->read()) {{ $last = $u; }} return $last;", send(2, false));
    assert_eq!(server.eval(&next).value()["did"], "all");
}

/// A receiver ends before its first update, after some, or after the end of its task: the sender
/// reads what was sent and gets an exception for the rest, and the next run takes the next task.
#[test]
fn a_receiver_that_dies_in_every_state() {
    let receiver = "<?php $h = new FrankenPHP\\WorkerHandle();
        while ($h->tick()) {
            $r = [$h->getStream()]; $n = null;
            stream_select($r, $n, $n, null);
            while ($task = $h->receive()) { eval($task->getPayload()['code']); unset($task); }
        }";
    let server = Igor::new()
        .admin()
        .frankenphp("num_threads 2")
        .file("dying.php", receiver)
        .site(&site(&script("{$DIR}/dying.php", "t", "max_consecutive_failures -1")))
        .start();
    let states = [
        ("before the first update", "", json!([])),
        ("with a stream", "$stream = $task->getStream();", json!([])),
        ("after two updates", "$task->update(['n' => 1]); $task->update(['n' => 2]);", json!([1, 2])),
        ("after the end", "$task->complete(['n' => 3]);", json!([3])),
    ];
    for (state, code, updates) in &states {
        for end in ENDS {
            let code = serde_json::to_string(&format!("{code} {end}")).expect("a string").replace('$', "\\$");
            let send = format!(
                "$seen = []; $message = null;
                $t = new FrankenPHP\\SentTaskHandle('t', ['code' => {code}], 30);
                try {{ while ($u = $t->read()) {{ $seen[] = $u['n']; }} }} catch (RuntimeException $e) {{ $message = $e->getMessage(); }}
                return [$seen, $message];"
            );
            let seen = server.eval(&send).value();
            assert_eq!(&seen[0], updates, "{state}, {end}: {seen}");
            let throws = seen[1].as_str().is_some_and(|message| message.contains("\"t\" "));
            assert_eq!(throws, *state != "after the end", "{state}, {end}: {seen}");
        }
    }
    nothing_is_left(&server, "at the end");
    let next = "return (new FrankenPHP\\SentTaskHandle('t', ['code' => '$task->complete([\"did\" => 1]);']))->read();";
    assert_eq!(server.eval(next).value()["did"], 1);
}

/// Takes tasks and returns their number with some text, which is in an arena of its own each time.
const ECHO: &str = "<?php $h = new FrankenPHP\\WorkerHandle();
    while ($h->tick()) {
        while ($task = $h->receive()) {
            $task->update(['text' => str_repeat('x', 2000)]);
            $task->complete(['did' => $task->getPayload()['do']]);
        }
        $r = [$h->getStream()]; $n = null;
        stream_select($r, $n, $n, null);
    }";

/// `IGOR_TEST_TASKS` sets how many: `make many-tasks` sends a million.
#[test]
fn many_tasks_through_four_threads_leave_memory_as_it_was() {
    const IN_ONE_REQUEST: usize = 500;
    const SENDERS: usize = 4;
    const GROWTH_BYTES_MAX: usize = 24 << 20;
    let tasks = std::env::var("IGOR_TEST_TASKS").map_or(8_000, |text| text.parse().expect("a number"));
    let rounds = tasks / IN_ONE_REQUEST / SENDERS;
    let server = Igor::new()
        .frankenphp("num_threads 6")
        .file("echo.php", ECHO)
        .site(&site(&script("{$DIR}/echo.php", "t", "num 4")))
        .start();
    let code = format!(
        "$sum = 0;
        for ($i = 1; $i <= {IN_ONE_REQUEST}; $i++) {{
            $task = new FrankenPHP\\SentTaskHandle('t', ['do' => $i, 'text' => str_repeat('y', 1000)]);
            strlen($task->read()['text']) === 2000 || throw new LogicException('another text');
            $sum += $task->read()['did'];
            $task->read() === null || throw new LogicException('an update too many');
        }}
        return $sum;"
    );
    let send = |rounds: usize| {
        thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        assert_eq!(server.eval(&code).value(), IN_ONE_REQUEST * (IN_ONE_REQUEST + 1) / 2);
                    }
                });
            }
        });
    };
    send(rounds / 4);
    let before = server.resident_bytes();
    send(rounds - rounds / 4);
    let grown = server.growth_since(before);
    println!("{tasks} tasks: memory has grown by {} KiB since the first quarter", grown / 1024);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more after {tasks} tasks");
}
