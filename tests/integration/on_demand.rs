//! `tls { on_demand }`: certificates that are obtained while a handshake waits, of the internal authority. `make acme` has
//! those of an ACME authority.

use super::common::{DEADLINE, Igor, Server, free_address, wait_until};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

/// What `ask` names: it counts the questions about each host, and permits those that begin with `good`.
struct Asked {
    address: SocketAddr,
    questions: Arc<Mutex<HashMap<String, usize>>>,
}

impl Asked {
    /// Answers at once.
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    /// Does `before` with a host before it answers.
    fn start_with(before: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let questions: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let (counted, before) = (Arc::clone(&questions), Arc::new(before));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, counted, before) =
                    (stream.expect("a client"), Arc::clone(&counted), Arc::clone(&before));
                thread::spawn(move || {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).expect("a request");
                        head.extend(byte);
                    }
                    let head = String::from_utf8(head).expect("text");
                    let host = head.split_once("/ask?key=1&domain=").expect("the question").1;
                    let host = host.split(' ').next().expect("a host").to_owned();
                    *counted.lock().expect("no panic").entry(host.clone()).or_default() += 1;
                    before(&host);
                    let status = if host.starts_with("good") { "200 OK" } else { "404 Not Found" };
                    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes());
                });
            }
        });
        Self { address, questions }
    }

    fn questions(&self, host: &str) -> usize {
        self.questions.lock().expect("no panic").get(host).copied().unwrap_or_default()
    }
}

/// A server whose site takes every host that `ask` permits.
fn server(asked: SocketAddr, more: &str) -> Igor {
    Igor::new()
        .global("storage file_system {$DIR}/data\nauto_https disable_redirects")
        .global(&format!("on_demand_tls {{\nask http://{asked}/ask?key=1\n{more}\n}}"))
        .raw_site("https://:0 {\nbind 127.0.0.1\ntls internal {\non_demand\n}\nrespond \"Hello {host}\"\n}\n")
}

fn curl(server: &Server, host: &str) -> Output {
    let address = server.address();
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*", "--cacert"])
        .arg(server.path("data/pki/authorities/local/root.crt"))
        .args(["--connect-to", &format!("{host}:443:{}:{}", address.ip(), address.port())])
        .arg(format!("https://{host}/"))
        .output()
        .expect("curl can be run")
}

/// Makes the root, which curl needs before its first request.
fn with_root(server: &Server) {
    let insecure = Command::new("curl")
        .args(["--silent", "--insecure", "--noproxy", "*", "--connect-to"])
        .arg(format!("good-first.example:443:127.0.0.1:{}", server.address().port()))
        .arg("https://good-first.example/")
        .output()
        .expect("curl can be run");
    assert_eq!(String::from_utf8_lossy(&insecure.stdout), "Hello good-first.example");
}

fn is_greeted(server: &Server, host: &str) -> bool {
    String::from_utf8_lossy(&curl(server, host).stdout) == format!("Hello {host}")
}

#[test]
fn a_permitted_host_gets_a_certificate_once_and_a_refused_one_is_asked_about_once() {
    let asked = Asked::start();
    let server = server(asked.address, "").start();
    with_root(&server);
    assert!(is_greeted(&server, "good.example"));
    assert!(is_greeted(&server, "good.example"));
    assert_eq!(asked.questions("good.example"), 1);
    for _ in 0..2 {
        let refused = curl(&server, "bad.example");
        assert_eq!(refused.status.code(), Some(35), "the handshake fails: {refused:?}");
    }
    assert_eq!(asked.questions("bad.example"), 1, "the refusal is remembered");
}

/// A flood of handshakes with one host is one question.
#[test]
fn handshakes_with_one_host_wait_for_one_attempt() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let asked = Asked::start_with(move |host| {
        if host == "good-many.example" {
            wait.lock().expect("no panic").recv_timeout(DEADLINE).expect("the signal");
        }
    });
    let server = server(asked.address, "").start();
    with_root(&server);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..6).map(|_| scope.spawn(|| is_greeted(&server, "good-many.example"))).collect();
        wait_until("the question", || asked.questions("good-many.example") > 0);
        assert!(is_greeted(&server, "good-other.example"), "other hosts do not wait");
        go.send(()).expect("the address waits");
        for client in clients {
            assert!(client.join().expect("no panic"));
        }
    });
    assert_eq!(asked.questions("good-many.example"), 1);
}

#[test]
fn new_certificates_are_bounded_by_burst_and_interval() {
    let asked = Asked::start();
    let server = server(asked.address, "burst 2\ninterval 1h").start();
    with_root(&server);
    assert!(is_greeted(&server, "good-2.example"));
    assert_eq!(curl(&server, "good-3.example").status.code(), Some(35));
    server.wait_log(&["good-3.example", "`burst` certificates were obtained in the `interval`"]);
    assert!(is_greeted(&server, "good-2.example"), "the others are served");
}

#[test]
fn an_address_that_does_not_answer_refuses_and_the_log_says_why() {
    let server = server(free_address(), "").start();
    let refused = curl(&server, "good.example");
    assert!(!refused.status.success());
    server.wait_log(&["good.example", "the address of `ask` did not answer", "Connection refused"]);
}
