//! Two requests, one thread: the engine must not keep a snapshot's text beyond a request, because the text may be freed
//! before the next one.
//!
//! Snapshots are hardened, so a look at a retired one ends the process. That this proves something is proved by the
//! feature `teeth`: it marks the texts of snapshots as permanent, which PHP's extensions take as leave to keep them, and
//! then the very same requests have to crash.

use crate::common::{Connection, Igor, Request, Server};
use serde_json::Value;

/// The number of times that a snapshot is replaced and so retired.
#[cfg(not(feature = "teeth"))]
const GENERATIONS: usize = 20;
/// Requests after each of them.
const REQUESTS: usize = 50;

fn server(global: &str, lines: &str) -> Server {
    let puppet = "worker {$PHP_TESTS}/puppet.php 1 {\nbackground\nname names\n\
                  env BOOT \"require __DIR__ . '/two_requests/names.php';\"\n}";
    Igor::new()
        .frankenphp(&format!("{global}\nvars {{\nhardened on\nmode zero_copy\n}}"))
        .site(&format!("root {{$PHP_TESTS}}/two_requests\nphp_server {{\nenv DIR {{$DIR}}\n{puppet}\n{lines}\n}}"))
        .start()
}

fn publish(server: &Server, generation: usize) {
    let code = format!("frankenphp_set_vars(['names' => names(getenv('DIR')), 'generation' => {generation}]);");
    server.puppet("names").eval(&code).value();
}

fn use_names(connection: &mut Connection, path: &str, from: &str) -> Value {
    let response = connection.send(&Request::get(&format!("{path}?from={from}")));
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

/// The first request uses every name of a snapshot. Then that is replaced, again and again, while the thread continues
/// serving requests with the same names, of the newest snapshot and of the source in turn. All must see the same.
#[cfg(not(feature = "teeth"))]
fn serve_the_same_names_for_generations(server: &Server, path: &str) {
    let mut connection = server.connect();
    publish(server, 0);
    let first = use_names(&mut connection, path, "snapshot");
    for generation in 1..=GENERATIONS {
        publish(server, generation);
        for request in 0..REQUESTS {
            let from = if request % 2 == 0 { "source" } else { "snapshot" };
            let answer = use_names(&mut connection, path, from);
            assert_eq!(answer["seen"], first["seen"], "generation {generation}, request {request}, from {from}");
            assert_eq!(answer["thread"], first["thread"], "generation {generation}, request {request}");
            let expected = if from == "source" { Value::Null } else { generation.into() };
            assert_eq!(answer["generation"], expected, "request {request}");
        }
    }
}

/// B34, B35, N16
#[cfg(not(feature = "teeth"))]
#[test]
fn a_classic_thread_keeps_nothing_of_a_snapshot() {
    let server = server("num_threads 1", "");
    serve_the_same_names_for_generations(&server, "/index.php");
}

/// B34, B35, N16: the runs of a worker script on one thread.
#[cfg(not(feature = "teeth"))]
#[test]
fn a_worker_thread_keeps_nothing_of_a_snapshot_when_its_script_has_ended() {
    let server = server("num_threads 2", "worker {$PHP_TESTS}/two_requests/worker.php 1");
    serve_the_same_names_for_generations(&server, "/worker.php");
}

/// The counterpart: with permanent texts the same requests read freed memory. The process must die by a signal, and at
/// one of the requests that came after the first snapshot's end.
#[cfg(feature = "teeth")]
#[test]
fn with_permanent_texts_the_same_requests_crash() {
    use std::os::unix::process::ExitStatusExt;
    let server = server("num_threads 1", "");
    publish(&server, 0);
    use_names(&mut server.connect(), "/index.php", "snapshot");
    publish(&server, 1);
    let address = server.address();
    let served = std::thread::spawn(move || {
        let mut connection = Connection::open(address);
        for _ in 0..REQUESTS {
            use_names(&mut connection, "/index.php", "source");
        }
    });
    let crashed = served.join().is_err();
    assert!(crashed, "{REQUESTS} requests were served although PHP kept texts of a retired snapshot");
    let stopped = server.ended();
    assert_eq!(stopped.status.signal(), Some(libc::SIGSEGV), "{}:\n{}", stopped.status, stopped.log);
}
