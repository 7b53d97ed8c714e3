//! `examples/redis-sentinel`: requests that follow a Redis master through a failover.

use super::redis::Redis;
use super::{copy_of, json_of, serve};
use crate::common::{Connection, DEADLINE, Request, wait_for};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Clients that never stop asking.
const CLIENTS: usize = 3;
/// Requests that each master has to answer.
const REQUESTS: usize = 50;

/// A master with a replica that has caught up, and a Sentinel that knows both.
fn master_and_replica(folder: &Path) -> (Redis, Redis, Redis) {
    let master = Redis::server(folder, None);
    let replica = Redis::server(folder, Some(&master));
    wait_for("the replication", || {
        replica.ask("INFO replication").ok().filter(|info| info.contains("master_link_status:up"))
    });
    let sentinel = Redis::sentinel(folder, &master);
    wait_for("the Sentinel's view of both", || {
        sentinel.ask("INFO sentinel").ok().filter(|info| info.contains("status=ok") && info.contains("slaves=1"))
    });
    (master, replica, sentinel)
}

/// Disables everything except listening: the example must learn of the failover from the subscription only.
fn ask_never(example: &Path) {
    let file = example.join("lib/Sentinel.php");
    let code = std::fs::read_to_string(&file).expect("the example can be read");
    let changed = code.replace("ASK_EVERY_SECONDS = 2.0;", "ASK_EVERY_SECONDS = 3600.0;");
    assert_ne!(changed, code, "{} has no such line any more", file.display());
    std::fs::write(&file, changed).expect("its copy can be written");
}

/// B22, B30, B34, B38
#[test]
fn no_request_fails_while_the_master_dies() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (mut master, replica, sentinel) = master_and_replica(folder.path());
    // Nothing listens at the first address: a Sentinel that is down must not delay the others.
    let sentinels = format!("127.0.0.1:1, {}", sentinel.address());
    let example = copy_of("redis-sentinel");
    ask_never(example.path());
    let server = serve(example, &[("REDIS_SENTINELS", &sentinels)]);
    let (old, new) = (master.address(), replica.address());
    let before = json_of(&server.get("/"));
    assert_eq!(before["master"], old.as_str());
    assert_eq!(before["epoch"], 0);
    assert!(before["sentinels"]["127.0.0.1:1"].is_string(), "{before}");
    assert!(before["sentinels"][sentinel.address()].is_null(), "{before}");

    let (stop, by_old, by_new) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let ask_without_end = || {
        let _guard = StopOnPanic(&stop);
        let mut connection = Connection::open(server.address());
        let mut moved = false;
        while !stop.load(Ordering::Relaxed) {
            let answer = json_of(&connection.send(&Request::get("/")));
            let is_new = answer["master"] == new.as_str();
            assert!(is_new || (!moved && answer["master"] == old.as_str()), "moved: {moved}, {answer}");
            moved = is_new;
            if moved { &by_new } else { &by_old }.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let _guard = StopOnPanic(&stop);
        for _ in 0..CLIENTS {
            scope.spawn(ask_without_end);
        }
        await_count(&stop, &by_old);
        master.kill();
        await_count(&stop, &by_new);
        stop.store(true, Ordering::Relaxed);
    });

    let after = json_of(&server.get("/"));
    assert_eq!(after["master"], new.as_str());
    assert!(after["epoch"].as_u64() > Some(0), "{after}");
    assert!(after["visits"].as_u64() > Some(REQUESTS as u64), "{after}");
    let stopped = server.stop();
    assert_eq!(stopped.log.matches("background worker started").count(), 1, "{}", stopped.log);
    assert!(stopped.log.contains(&format!("the Redis master is {new}")), "{}", stopped.log);
}

/// B12, B37
#[test]
fn requests_go_on_without_a_sentinel_and_see_it_come_back() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let (master, _replica, mut sentinel) = master_and_replica(folder.path());
    let name = sentinel.address();
    let server = serve(copy_of("redis-sentinel"), &[("REDIS_SENTINELS", &name)]);
    assert_eq!(json_of(&server.get("/"))["master"], master.address());

    sentinel.kill();
    wait_for("the news of the lost Sentinel", || {
        Some(json_of(&server.get("/"))).filter(|answer| answer["sentinels"][&name].is_string())
    });
    assert_eq!(json_of(&server.get("/"))["master"], master.address());
    sentinel.restart();
    wait_for("the news of its return", || {
        Some(json_of(&server.get("/"))).filter(|answer| answer["sentinels"][&name].is_null())
    });
}

/// B18
#[test]
fn without_any_sentinel_the_page_says_that_it_is_not_available() {
    let server = serve(copy_of("redis-sentinel"), &[("REDIS_SENTINELS", "127.0.0.1:1")]);
    let answer = server.get("/");
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(!answer.text().contains("127.0.0.1"), "the client is told about the inside: {}", answer.text());
    server.wait_log(&["\"redis-master\"", "was not ready after 5"]);
}

/// Stops all clients when one fails, so that the failure is reported at once.
struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Waits for [`REQUESTS`], unless a client has failed.
fn await_count(stop: &AtomicBool, count: &AtomicUsize) {
    let until = Instant::now() + DEADLINE;
    while count.load(Ordering::Relaxed) < REQUESTS {
        assert!(!stop.load(Ordering::Relaxed), "a client has failed");
        assert!(Instant::now() < until, "{REQUESTS} requests were not answered within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
