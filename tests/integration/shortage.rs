//! A system that gives no more threads or descriptors: what asks for them fails and says so, and all else goes on.

use crate::common::workers::{READY, assert_holds, block, ensure, puppet, read};
use crate::common::{Request, wait_until};
use serde_json::json;

#[test]
fn a_worker_that_gets_no_thread_fails_its_caller_and_starts_later() {
    let server = block(&puppet("w", READY)).frankenphp("num_threads 2").php_threads_at_most(2).start();
    for _ in 0..2 {
        let message = server.eval("frankenphp_ensure_background_worker('w');").thrown("RuntimeException");
        assert_holds(&message, &["\"w\"", "cannot be started", "the system gave no thread"]);
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
    // A thread that gave up comes back by a restart, although the others still run.
    server.puppet_thread("w", 0).doom("exit(3);");
    wait_until("the thread's end", || server.seen_worker("w")["threads"] == 2);
    let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", ""));
    assert_eq!(answer.json(), json!({"workers": 1, "stuck": []}));
    assert_eq!(server.seen_worker("w")["threads"], 3);
}
