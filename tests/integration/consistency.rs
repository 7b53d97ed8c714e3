//! Many readers, while one worker publishes continuously and another crashes in a loop.

use crate::common::{Connection, Igor, Request, Server};
use serde_json::Value;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const CONNECTIONS: usize = 64;
const REQUESTS: usize = 1000;

fn workers() -> String {
    let worker = |name: &str| {
        format!(
            "worker {{$PHP_TESTS}}/consistency/{name}.php {{\nbackground\nname {name}\nmax_consecutive_failures -1\n}}\n"
        )
    };
    format!("env DIR {{$DIR}}\n{}{}", worker("publisher"), worker("crasher"))
}

/// The version of a snapshot; all its parts must have the same one.
fn version(vars: &Value) -> u64 {
    let version = vars["version"].as_u64().expect("a version");
    assert_eq!(vars["text"], format!("version {version}"));
    assert!(vars["list"].as_array().expect("a list").iter().all(|part| *part == version), "{vars}");
    for (key, part) in vars.as_object().expect("an object") {
        assert!(!key.starts_with("key ") || part["deep"]["deeper"] == version, "{vars}");
    }
    version
}

/// Sends requests until all connections together have sent enough. Returns the first and the last version of
/// `publisher`.
fn ask(server: &Server, asked: &AtomicUsize) -> (u64, u64) {
    let mut connection = Connection::open(server.address());
    let (mut first, mut last, mut last_crash) = (None, 0, 0);
    while asked.fetch_add(1, Ordering::Relaxed) < REQUESTS {
        let response = connection.send(&Request::get("/consistency/reader.php"));
        assert_eq!(response.status, 200, "{}", response.text());
        let seen = response.json();
        let (published, crash) = (version(&seen["publisher"]), version(&seen["crasher"]));
        assert!(published >= last && crash >= last_crash, "versions only grow");
        first.get_or_insert(published);
        (last, last_crash) = (published, crash);
    }
    (first.unwrap_or_default(), last)
}

fn assert_consistent(server: &Server) {
    // Both workers are ready from here on.
    assert_eq!(server.get("/consistency/reader.php").status, 200);
    let asked = AtomicUsize::new(0);
    let seen: Vec<(u64, u64)> = thread::scope(|scope| {
        let readers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| ask(server, &asked))).collect();
        readers.into_iter().map(|reader| reader.join().expect("the reader found no fault")).collect()
    });
    assert!(seen.iter().any(|(first, last)| last > first), "versions went by: {seen:?}");
    server.wait_log(&["background worker failed", "worker=\"crasher\"", "attempt=3 "]);
    assert_eq!(server.log.count("background worker failed, restarting it: 1 failed attempt, last exit status 255, last error: Fatal error: Uncaught RuntimeException: crash 1 "), 1);
}

/// B22, B28, B30, B37
#[test]
fn classic_requests_see_one_version_at_a_time() {
    let site = format!("root {{$PHP_TESTS}}\nphp_server {{\n{}}}", workers());
    assert_consistent(&Igor::new().frankenphp("num_threads 8\nvars {\nhardened off\n}").site(&site).start());
}

/// B22, B28, B30, B37
#[test]
fn requests_of_http_workers_see_one_version_at_a_time() {
    let site =
        format!("root {{$PHP_TESTS}}\nphp_server {{\n{}worker {{$PHP_TESTS}}/consistency/reader.php 8\n}}", workers());
    assert_consistent(&Igor::new().frankenphp("vars {\nhardened off\n}").site(&site).start());
}

/// B22, B27: the same with snapshots that are shared only, and protected against every write.
#[test]
fn shared_snapshots_are_consistent_too() {
    let site =
        format!("root {{$PHP_TESTS}}\nphp_server {{\n{}worker {{$PHP_TESTS}}/consistency/reader.php 8\n}}", workers());
    let vars = "vars {\nmode zero_copy\nhardened on\n}";
    assert_consistent(&Igor::new().frankenphp(vars).site(&site).start());
}
