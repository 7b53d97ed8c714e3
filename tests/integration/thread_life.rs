//! How long a PHP thread and its script stay: `max_requests` and `max_idle_time`.

use crate::common::{Igor, Request, wait_until};
use std::time::{Duration, Instant};

/// Answers with the number of the system's thread, and with the requests of the run.
const WHO: &str = "<?php
    $n = 0;
    $answer = function () use (&$n) { echo basename(readlink('/proc/thread-self')), ' ', ++$n; };
    if (!isset($_SERVER['FRANKENPHP_WORKER'])) { $answer(); return; }
    while (frankenphp_handle_request($answer)) {}";

/// The script of an HTTP worker starts again, on its thread, and no request notices.
#[test]
fn a_worker_script_starts_again_after_max_requests() {
    for (global, own) in [("max_requests 3", ""), ("", "max_requests 3"), ("max_requests 1000", "max_requests 3")] {
        let server = Igor::new()
            .admin()
            .frankenphp(&format!("num_threads 2\n{global}"))
            .file("who.php", WHO)
            .site(&format!("root {{$DIR}}\nphp_server {{\nworker {{$DIR}}/who.php {{\nnum 1\n{own}\n}}\n}}"))
            .start();
        let answers: Vec<String> = (0..10).map(|_| server.get("/who.php").text()).collect();
        let threads: Vec<&str> = answers.iter().filter_map(|answer| answer.split(' ').next()).collect();
        let counts: Vec<&str> = answers.iter().filter_map(|answer| answer.split(' ').nth(1)).collect();
        assert_eq!(counts, ["1", "2", "3", "1", "2", "3", "1", "2", "3", "1"], "{global} {own}");
        assert!(threads.iter().all(|thread| thread == &threads[0]), "{threads:?}");
        let metrics = server.ask_admin(&Request::get("/metrics")).text();
        let crashes = metrics.lines().find(|line| line.starts_with("frankenphp_worker_crashes{")).unwrap_or("no line");
        assert!(crashes.ends_with(" 0"), "{crashes}");
    }
}

/// 0 is never, as in FrankenPHP, and a worker's own value wins.
#[test]
fn a_worker_script_may_be_left_out() {
    let server = Igor::new()
        .frankenphp("num_threads 2\nmax_requests 2")
        .file("who.php", WHO)
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/who.php {\nnum 1\nmax_requests 0\n}\n}")
        .start();
    let answers: Vec<String> = (0..8).map(|_| server.get("/who.php").text()).collect();
    assert!(answers[7].ends_with(" 8"), "{answers:?}");
}

/// A classic thread is replaced by another one.
#[test]
fn a_classic_thread_is_replaced_after_max_requests() {
    let server = Igor::new()
        .frankenphp("num_threads 1\nmax_requests 2")
        .file("who.php", WHO)
        .site("root {$DIR}\nphp_server")
        .start();
    let threads: Vec<String> = (0..6).map(|_| server.get("/who.php").text()).collect();
    for pair in threads.chunks(2) {
        assert_eq!(pair[0], pair[1], "{threads:?}");
    }
    assert!(threads[1] != threads[2] && threads[3] != threads[4] && threads[1] != threads[4], "{threads:?}");
    server.stop();
}

/// Without a successor it continues, and tries again after as many requests: none is lost.
#[test]
fn a_classic_thread_that_cannot_be_replaced_stays() {
    let server = Igor::new()
        .php_threads_at_most(1)
        .frankenphp("num_threads 1\nmax_requests 2")
        .file("who.php", WHO)
        .site("root {$DIR}\nphp_server")
        .start();
    let who = || server.get("/who.php").text();
    let threads: Vec<String> = (0..6).map(|_| who()).collect();
    assert!(threads.iter().all(|thread| thread == &threads[0]), "{threads:?}");
    server.wait_log(&["a PHP thread has had its max_requests, and was to be replaced"]);
    server.allow_php_threads(2);
    // The thread tries before it waits for its next request, so it may have tried before there was room.
    let after: Vec<String> = (0..4).map(|_| who()).collect();
    assert!(after.iter().any(|thread| thread != &threads[0]), "{after:?}");
    server.stop();
}

/// Much sooner than by the default of 30 seconds.
#[test]
fn a_thread_of_the_rush_hour_ends_after_max_idle_time() {
    let server = Igor::new()
        .admin()
        .frankenphp("num_threads 1\nmax_threads 2\nmax_idle_time 1s")
        .file("wait.php", "<?php while (!file_exists(__DIR__ . '/go')) { usleep(1000); clearstatcache(); } echo 1;")
        .site("root {$DIR}\nphp_server")
        .start();
    let threads = || {
        let threads = server.ask_admin(&Request::get("/frankenphp/threads")).json();
        threads["ThreadDebugStates"].as_array().expect("a list").len()
    };
    let mut connections = [server.connect(), server.connect()];
    connections.iter_mut().for_each(|connection| connection.write(&Request::get("/wait.php")));
    wait_until("the second thread", || threads() == 2);
    std::fs::write(server.path("go"), "").expect("files can be written");
    let idle = Instant::now();
    connections.iter_mut().for_each(|connection| assert_eq!(connection.read(false).text(), "1"));
    wait_until("its end", || threads() == 1);
    assert!(idle.elapsed() < Duration::from_secs(20), "{:?}", idle.elapsed());
    assert_eq!(server.get("/wait.php").text(), "1");
}
