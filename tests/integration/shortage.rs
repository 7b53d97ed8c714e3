//! A system without free threads, timers, descriptors or log space: operations that need them fail with a message, and
//! everything else continues. Memory goes back to the system when it is no longer needed.

use crate::common::workers::{READY, assert_holds, block, ensure, puppet, read, site};
use crate::common::{Igor, Request, Server, igor, wait_until};
use rustix::process::{Resource, Signal, getrlimit, prlimit};
use serde_json::json;
use std::fs;
use std::process::{Command, Output};

/// The PHP threads whose names start with this, from the kernel.
fn threads(server: &Server, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid().as_raw_nonzero())).expect("the server runs");
    // A thread may end while it is looked at.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|comm| comm.starts_with(name)).count()
}

#[test]
fn a_worker_that_gets_no_thread_fails_its_caller_and_starts_later() {
    let server = block(&puppet("w", READY)).frankenphp("num_threads 2").php_threads_at_most(2).start();
    for _ in 0..2 {
        let message = server.eval("frankenphp_ensure_background_worker('w');").thrown("RuntimeException");
        assert_holds(&message, &["\"w\"", "cannot be started", "the system has no thread left"]);
    }
    server.allow_php_threads(3);
    ensure(&server, "w");
    assert!(read(&server, "w").value()["pid"].is_number());
}

#[test]
fn a_pool_gets_the_threads_that_it_lacks() {
    let server = block(&puppet("w", &format!("num 3\nmax_consecutive_failures 1\n{READY}")))
        .admin()
        .frankenphp("num_threads 1")
        .php_threads_at_most(2)
        .start();
    ensure(&server, "w");
    ensure(&server, "w");
    assert_eq!(server.log.count("a pool has fewer threads than declared"), 1, "said once");
    assert_eq!(server.seen_worker("w")["threads"], 1);
    server.allow_php_threads(100);
    ensure(&server, "w");
    assert_eq!(server.seen_worker("w")["threads"], 3);
    // A restart also starts a thread that had given up while the others kept running.
    server.puppet_thread("w", 0).doom("exit(3);");
    wait_until("the thread's end", || server.seen_worker("w")["threads"] == 2);
    let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", ""));
    assert_eq!(answer.json(), json!({"workers": 1, "stuck": []}));
    assert_eq!(server.seen_worker("w")["threads"], 3);
}

#[test]
fn a_start_without_enough_threads_says_so_and_ends_in_order() {
    // Two classic threads, one of the background worker, two of the HTTP worker.
    for count in [0, 1, 2, 4] {
        let workers = puppet("w", &format!("num 1\n{READY}")) + "worker {$PHP_TESTS}/worker.php 2\n";
        let stopped = block(&workers).frankenphp("num_threads 4").php_threads_at_most(count).start_fails();
        assert_eq!(stopped.status.code(), Some(1), "with {count} threads:\n{}", stopped.log);
        assert_holds(&stopped.log, &["starting PHP threads: "]);
    }
}

#[test]
fn a_reload_without_enough_threads_leaves_none_behind() {
    let server = block("").frankenphp("num_threads 1").php_threads_at_most(3).start();
    let path = server.path("Caddyfile");
    let text = fs::read_to_string(&path).expect("the Caddyfile can be read");
    let wants_more = text.replace("num_threads 1", "num_threads 4");
    let wants_workers = text.replace("env DIR", "worker {$PHP_TESTS}/worker.php 3\nenv DIR");
    let wants_workers = wants_workers.replace("num_threads 1", "num_threads 4");
    for (number, wanted) in [wants_more, wants_workers].into_iter().enumerate() {
        // In all: one of the running configuration, and two for each reload, which are one too few.
        server.allow_php_threads(3 + 2 * number);
        fs::write(&path, wanted).expect("the Caddyfile can be written");
        server.signal(Signal::HUP);
        let not_reloaded = "the configuration was not reloaded";
        wait_until("the reload's end", || server.log.count(not_reloaded) == number + 1);
        server.wait_log(&[not_reloaded, "starting PHP threads: "]);
        wait_until("their end", || threads(&server, "php-") == 1 && threads(&server, "http-") == 0);
    }
    assert_eq!(server.eval("return 1;").value(), 1);
}

/// When PHP's threads have used up all others, the server does its own work on the thread that it has kept.
#[test]
fn a_server_without_other_threads_serves_restarts_and_reloads() {
    let worker = "worker {$PHP_TESTS}/worker.php 1\n";
    let server = block(&(puppet("w", &format!("num 1\n{READY}")) + worker))
        .admin()
        .frankenphp("num_threads 2")
        .php_threads_at_most(100)
        .file("no-others", "")
        .start();
    server.wait_log(&["opcache cannot be restarted while the server runs"]);
    ensure(&server, "w");
    let file = server.get("/worker.php/../puppet.php");
    assert_ne!(file.status, 500, "{}", file.text());
    let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", ""));
    assert_eq!(answer.json(), json!({"workers": 2, "stuck": []}));
    let path = server.path("Caddyfile");
    let text = fs::read_to_string(&path).expect("the Caddyfile can be read");
    fs::write(&path, text.replace("worker.php 1\n", "worker.php 1 {\nenv NEW 1\n}\n"))
        .expect("the Caddyfile can be written");
    server.signal(Signal::HUP);
    server.wait_log(&["the configuration was reloaded"]);
    assert_eq!(server.eval_in_worker("return getenv('NEW');").value(), "1");
    assert!(read(&server, "w").value()["pid"].is_number());
}

/// PHP alone makes a timer of the system for each request and each thread, and ends the process where there is none.
#[test]
fn without_timers_of_the_system_scripts_have_their_time_limit() {
    let server = block(&puppet("w", READY)).frankenphp("num_threads 1").start();
    server.eval("exec('prlimit --sigpending=0: --pid ' . getmypid());").value();
    ensure(&server, "w");
    assert!(read(&server, "w").value()["pid"].is_number());
    let answer = server.get("/eval.php");
    assert_ne!(answer.status, 500, "{}", answer.text());
    assert_eq!(server.send(&Request::post("/eval.php", "set_time_limit(1); while (true) { }")).status, 500);
    server.wait_log(&["Maximum execution time of 1 second exceeded"]);
    assert_eq!(server.eval("return 'served';").value(), "served");
}

#[test]
fn the_server_starts_without_timers_of_the_system() {
    let mut command = Command::new("prlimit");
    command.arg("--sigpending=0").arg(igor().get_program()).arg("version");
    let Output { status, stderr, .. } = command.output().expect("prlimit can be started");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn log_records_that_cannot_be_written_are_counted() {
    let text = format!("log {{\noutput file /dev/full\n}}\n{}", site(""));
    let server = Igor::new().admin().site(&text).start();
    server.eval("return 1;").value();
    wait_until("the count of the request's record", || {
        let metrics = server.ask_admin(&Request::get("/metrics")).text();
        metrics.lines().any(|line| line == "igor_log_records_lost_total 1")
    });
}

#[test]
fn a_worker_without_a_descriptor_is_tried_again() {
    let server = block(&puppet("w", &format!("max_consecutive_failures -1\n{READY}"))).start();
    ensure(&server, "w");
    let before = read(&server, "w").value();
    let mut puppet = server.puppet("w");
    puppet.eval("return 1;").value();
    let inherited = getrlimit(Resource::Nofile);
    // Set by the script itself: with it, it could not wait for its next order.
    puppet.doom("exec('prlimit --nofile=0: --pid ' . getmypid()); exit(3);");
    server.wait_log(&["background worker failed", "run=2", "attempt=2", "System error: making the worker's handle"]);
    prlimit(Some(server.pid()), Resource::Nofile, inherited).expect("the limit can be set");
    wait_until("the new run", || read(&server, "w").value() != before);
    assert_eq!(server.log.count("given up"), 0);
}

fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// D10: between what is still in use there are free pieces, which the C library would keep for the life of the process.
#[test]
fn freed_memory_goes_back_to_the_system() {
    let server = Igor::new()
        .frankenphp("num_threads 4\nstore default {\nmax_bytes 256MiB\n}")
        .site("root {$PHP_TESTS}\nphp_server")
        .start();
    let before = resident_bytes(&server);
    let fill = |part: usize| {
        format!(
            "$s = new FrankenPHP\\SharedArray();
            for ($i = 0; $i < 1000; $i++) {{ $s['{part}-' . $i] = str_repeat('x', 8000); }} return true;"
        )
    };
    for part in 0..4 {
        assert_eq!(server.eval(&fill(part)).value(), true);
    }
    let most = resident_bytes(&server);
    let grown = most - before;
    assert!(grown > 24 << 20, "4,000 elements of 8,000 bytes take {grown} bytes");
    let remove = "$s = new FrankenPHP\\SharedArray();
        foreach ($s->keys() as $i => $key) { if ($i % 100 > 0) { unset($s[$key]); } } return count($s);";
    assert_eq!(server.eval(remove).value(), 40);
    wait_until("most of it to be returned", || resident_bytes(&server) < before + grown / 2);
}
