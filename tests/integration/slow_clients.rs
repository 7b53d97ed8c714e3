//! Clients that send or read almost nothing: a wait for one ends with any interrupt of its script, and does not delay
//! other requests any longer.

use crate::common::workers::{READY, puppet, script, site};
use crate::common::{Igor, Outcome, Request, Server, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const INTERRUPTING: &str = "interrupting a script that did not end in its grace period";

/// Requests whose bodies PHP reads in different places: while the request starts up, in a classic script, in an HTTP
/// worker.
const UPLOADS: &[(&str, &str)] = &[
    ("/slow/form", "POST /classic/show.php?slow HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
    ("/slow/input", "PUT /eval.php?slow HTTP/1.1\r\n"),
    ("/slow/worker", "POST /worker.php?slow HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n"),
];

/// A client that sends a byte of its body now and then, for as long as the server takes them.
struct Trickle {
    ended: Arc<AtomicBool>,
    client: Option<JoinHandle<()>>,
}

impl Trickle {
    fn start(server: &Server, head: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        stream
            .write_all(format!("{head}host: a\r\ncontent-length: 1000000\r\n\r\na=").as_bytes())
            .expect("the server takes the head");
        let ended = Arc::new(AtomicBool::new(false));
        let client = {
            let ended = ended.clone();
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) && stream.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(10));
                }
            })
        };
        Self { ended, client: Some(client) }
    }
}

impl Drop for Trickle {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.client.take().map(JoinHandle::join);
    }
}

/// A client that requests an endless answer and reads none of it.
fn ask_and_take_nothing(server: &Server, script: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
    let code = "while (true) { echo str_repeat('x', 65536); touch(getenv('DIR') . '/writes'); }";
    let head = format!("POST {script}?raw&slow HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{code}", code.len());
    stream.write_all(head.as_bytes()).expect("the server takes the request");
    stream
}

fn igor() -> Igor {
    Igor::new()
        .global("grace_period 300ms")
        .frankenphp("num_threads 3\nphp_ini max_execution_time 0")
        .site(&site(&format!(
            "request_buffering off\nworker {{$PHP_TESTS}}/worker.php 1\n{}",
            puppet("p", &format!("num 1\n{READY}"))
        )))
        .admin()
}

fn busy_with_slow_clients(server: &Server) -> usize {
    let threads = server.ask_admin(&Request::get("/frankenphp/threads")).json();
    let is_slow = |thread: &&Value| {
        thread["IsBusy"] == true && thread["CurrentURI"].as_str().is_some_and(|uri| uri.contains("slow"))
    };
    threads["ThreadDebugStates"].as_array().expect("a list").iter().filter(is_slow).count()
}

fn wait_slow(server: &Server, what: &str) {
    wait_until(what, || busy_with_slow_clients(server) == 1);
}

/// Until the script that writes cannot go on.
fn wait_blocked(server: &Server) {
    let written = || fs::metadata(server.path("writes")).and_then(|file| file.modified()).ok();
    wait_until("the script to wait for its client", || {
        let before = written();
        thread::sleep(Duration::from_millis(100));
        before.is_some() && before == written()
    });
}

fn assert_reset_goes_through(server: &Server, what: &str) {
    assert_eq!(server.eval("return opcache_reset();").value(), true, "{what}");
    server.wait_log(&["opcache restarted"]);
    assert_eq!(server.eval("return 1;").value(), 1, "{what}");
    assert_eq!(server.eval_in_worker("return 1;").value(), 1, "{what}");
    wait_until("the slow client to be let go", || busy_with_slow_clients(server) == 0);
    assert_eq!(server.log.count("could not be interrupted"), 0, "{what}");
}

/// Loads the configuration with one text replaced.
fn load(server: &Server, (from, to): (&str, &str)) {
    let text = fs::read_to_string(server.path("Caddyfile")).expect("the configuration can be read");
    let answer = server.ask_admin(&Request::post("/load", text.replace(from, to)));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// B49
#[test]
fn an_upload_that_trickles_does_not_hold_up_a_restart_of_opcache() {
    for (what, head) in UPLOADS {
        let server = igor().start();
        let _slow = Trickle::start(&server, head);
        wait_slow(&server, what);
        assert_reset_goes_through(&server, what);
        server.wait_log(&[INTERRUPTING, "to restart opcache"]);
        server.stop();
    }
}

/// B49
#[test]
fn a_client_that_takes_nothing_does_not_hold_up_a_restart_of_opcache() {
    for script in ["/eval.php", "/worker.php"] {
        let server = igor().start();
        let _slow = ask_and_take_nothing(&server, script);
        wait_blocked(&server);
        assert_reset_goes_through(&server, script);
        server.stop();
    }
}

/// B49, B50
#[test]
fn slow_clients_do_not_hold_up_a_restart_of_workers() {
    let server = igor().start();
    let restart = || {
        let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", "")).json();
        assert_eq!(answer, json!({"workers": 2, "stuck": []}));
        assert_eq!(server.eval_in_worker("return $state->requests;").value(), 1);
    };
    let (what, head) = UPLOADS[2];
    let slow = Trickle::start(&server, head);
    wait_slow(&server, what);
    restart();
    drop(slow);
    let _slow = ask_and_take_nothing(&server, "/worker.php");
    wait_blocked(&server);
    restart();
    // On a slow machine the puppet may not end in time, either.
    let log = server.log.text();
    let interrupted = log.lines().filter(|line| line.contains(INTERRUPTING) && line.contains("/worker.php")).count();
    assert_eq!(interrupted, 2, "{log}");
}

/// B49, B52
#[test]
fn slow_clients_do_not_hold_up_a_reload() {
    let server = igor().start();
    let (what, head) = UPLOADS[0];
    let _slow = Trickle::start(&server, head);
    wait_slow(&server, what);
    let _taking_nothing = ask_and_take_nothing(&server, "/worker.php");
    wait_blocked(&server);
    // Every thread is replaced: a reload waits until the parts that the previous one replaced have ended.
    for bytes in [1000, 2000] {
        load(&server, ("hardened on", &format!("hardened on\nmax_bytes {bytes}KiB")));
    }
    wait_until("the slow client to be let go", || busy_with_slow_clients(&server) == 0);
    assert_eq!(server.log.count("could not be interrupted"), 0, "{}", server.log.text());
}

/// B49
#[test]
fn slow_clients_do_not_hold_up_a_stop() {
    for (what, head) in UPLOADS {
        let mut server = igor().start();
        let _slow = Trickle::start(&server, head);
        wait_slow(&server, what);
        server.stop_by(Signal::TERM);
    }
    for script in ["/eval.php", "/worker.php"] {
        let mut server = igor().start();
        let _slow = ask_and_take_nothing(&server, script);
        wait_blocked(&server);
        server.stop_by(Signal::TERM);
    }
}

/// B10, B49: a request waits for a worker that the restart of opcache delays, and that restart waits for the request.
#[test]
fn a_wait_for_a_worker_that_is_held_up_ends_at_once() {
    let server = Igor::new()
        .global("grace_period 1h")
        .frankenphp("num_threads 3")
        .site(&site(&format!("worker {{$PHP_TESTS}}/worker.php 1\n{}", puppet("w", ""))))
        .start();
    let ensure_w = "touch(getenv('DIR') . '/waits'); frankenphp_ensure_background_worker('w', 3600);";
    for target in ["/eval.php", "/worker.php"] {
        let restarts = server.log.count("opcache restarted");
        let mut waiting = server.connect();
        waiting.write(&Request::post(target, ensure_w));
        wait_until("the wait", || server.path("waits").exists());
        assert_eq!(server.eval("return opcache_reset();").value(), true);
        let message = Outcome::of_response(&waiting.read(false)).thrown("RuntimeException");
        assert!(message.contains("\"w\"") && message.contains("opcache is being restarted"), "{message}");
        wait_until("the restart", || server.log.count("opcache restarted") > restarts);
        fs::remove_file(server.path("waits")).expect("the file is there");
    }
    assert_eq!(server.log.count("interrupting"), 0, "{}", server.log.text());
    // Afterwards the worker starts, and is waited for as usual.
    let mut waiting = server.connect();
    waiting.write(&Request::post("/eval.php", ensure_w));
    server.puppet("w").eval("frankenphp_set_vars([1]);").value();
    assert_eq!(Outcome::of_response(&waiting.read(false)).value(), Value::Null);
}

/// B49: a worker that waits for another one is interrupted like any other.
#[test]
fn a_worker_that_waits_for_another_one_is_interrupted() {
    let waits = "<?php touch(getenv('DIR') . '/waits'); frankenphp_ensure_background_worker('never', 3600);";
    let server = Igor::new()
        .admin()
        .global("grace_period 300ms")
        .file("waits.php", waits)
        .site(&site(&(script("{$DIR}/waits.php", "waits", "num 1") + &puppet("never", ""))))
        .start();
    wait_until("the wait", || server.path("waits").exists());
    let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", "")).json();
    assert_eq!(answer["stuck"], json!([]), "{answer}");
    server.wait_log(&[INTERRUPTING, "worker=\"waits\""]);
    server.wait_log(&["background worker started", "worker=\"waits\"", "run=2"]);
}

/// B49: a script must not process a body that an interrupt has cut off.
#[test]
fn a_script_whose_upload_was_interrupted_does_not_run() {
    let server = Igor::new()
        .admin()
        .global("grace_period 300ms")
        .frankenphp("num_threads 2")
        .file("form.php", "<?php touch(getenv('DIR') . '/ran');")
        .file("next.php", "<?php")
        .file("reset.php", "<?php echo json_encode(['value' => opcache_reset()]);")
        .site("root {$DIR}\nphp_server {\nrequest_buffering off\n}")
        .start();
    assert_eq!(server.get("/reset.php").text(), r#"{"value":true}"#);
    // A request that starts when all others have ended carries out the restart.
    wait_until("the first restart", || {
        assert_eq!(server.get("/next.php").status, 200);
        server.log.count("opcache restarted") == 1
    });
    assert_eq!(server.send(&Request::form("/form.php", "a=1")).status, 200);
    fs::remove_file(server.path("ran")).expect("the script runs with a whole body");
    let _slow =
        Trickle::start(&server, "POST /form.php?slow HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n");
    wait_slow(&server, "the upload");
    assert_eq!(server.get("/reset.php").text(), r#"{"value":true}"#);
    server.wait_log(&[INTERRUPTING, "to restart opcache"]);
    assert_eq!(server.get("/next.php").status, 200);
    wait_until("the second restart", || server.log.count("opcache restarted") == 2);
    wait_until("the slow client to be let go", || busy_with_slow_clients(&server) == 0);
    assert!(!server.path("ran").exists(), "{}", server.log.text());
}

/// What the system holds for a connection of the server that its client has not taken, in bytes.
fn unsent(client: &TcpStream) -> u64 {
    let port = |address: std::io::Result<std::net::SocketAddr>| format!(":{:04X}", address.expect("an address").port());
    let (local, remote) = (port(client.peer_addr()), port(client.local_addr()));
    let table = fs::read_to_string("/proc/net/tcp").expect("the system's table of connections");
    let mut fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let own =
        fields.find(|fields| fields[1].ends_with(&local) && fields[2].ends_with(&remote)).expect("the connection");
    u64::from_str_radix(own[4].split(':').next().unwrap_or_default(), 16).expect("a number")
}

/// A thousand that read one byte a second kept gigabytes in the system's buffers, and the server busy with filling them.
#[test]
fn what_no_one_reads_is_not_kept_by_the_system() {
    let large = "x".repeat(16 << 20);
    let server = Igor::new().file("large.txt", &large).site("root {$DIR}\nfile_server").start();
    let mut client = TcpStream::connect(server.address()).expect("the server accepts");
    client.write_all(b"GET /large.txt HTTP/1.1\r\nHost: a\r\n\r\n").expect("the server takes it");
    let mut last = 0;
    wait_until("the system to take no more", || {
        thread::sleep(Duration::from_millis(300));
        let now = unsent(&client);
        now > 0 && std::mem::replace(&mut last, now) == now
    });
    assert!(last < 1 << 20, "{last} bytes wait");
}
