//! How long clients may take (`timeouts`, in the block of `servers`).

use crate::common::{Connection, Igor, Request, Server, wait_until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Much longer than the times of these tests, and less than the usual ones, so what ends within it ended by them.
const PATIENCE: Duration = Duration::from_secs(30);

fn server(timeouts: &str, site: &str) -> Server {
    Igor::new()
        .global(&format!("servers {{\ntimeouts {{\n{timeouts}\n}}\n}}"))
        .file("read.php", "<?php echo strlen(file_get_contents('php://input'));")
        .file("slow.php", "<?php usleep(1300000); echo 1;")
        .file("endless.php", "<?php for (;;) { echo 'x'; flush(); touch(__DIR__ . '/runs'); usleep(20000); }")
        .site(&format!("log {{\noutput file {{$DIR}}/access.log\nformat json\n}}\nroot {{$DIR}}\n{site}\nphp_server"))
        .start()
}

/// A client that has sent these bytes.
fn client(server: &Server, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
    stream.set_nodelay(true).expect("TCP_NODELAY can be set");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    stream.write_all(bytes.as_bytes()).expect("the server takes it");
    stream
}

/// Everything that the server sends until it ends the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "the server ends the connection"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn records(server: &Server) -> Vec<Value> {
    let text = std::fs::read_to_string(server.path("access.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// W17: a request with a body that does not come in time is answered by 408, and the access log says so.
#[test]
fn a_body_that_takes_too_long_is_a_408_in_the_access_log() {
    let upstream = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = upstream.local_addr().expect("an address").port();
    let server = server("read_body 400ms", &format!("handle /proxied {{\nreverse_proxy 127.0.0.1:{port}\n}}"));
    let form = "Host: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\na=";
    for (number, target) in ["/read.php", "/read.php?trickle", "/proxied"].into_iter().enumerate() {
        let mut stream = client(&server, &format!("POST {target} HTTP/1.1\r\n{form}"));
        if target.ends_with("trickle") {
            // Nothing but the time of the whole body ends this one: the rest of it never comes, and no pause is long.
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
                if records(&server).len() > number {
                    break;
                }
            }
        } else {
            let answer = rest(stream);
            assert!(answer.starts_with("HTTP/1.1 408 "), "{target}: {answer}");
        }
        wait_until("the record", || records(&server).len() > number);
        let record = &records(&server)[number];
        assert_eq!((&record["status"], &record["request"]["uri"]), (&json!(408), &json!(target)), "{record}");
    }
    // In one piece, so that this client is never late.
    let whole = "POST /read.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    let answer = rest(client(&server, whole));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n3"), "others are answered: {answer}");
}

#[test]
fn a_head_that_takes_too_long_ends_its_connection_and_no_other() {
    let server = server("read_header 1s", "");
    let mut rests = server.connect();
    assert_eq!(rests.send(&Request::post("/read.php", "ab")).text(), "2");
    assert_eq!(rest(client(&server, "GET / HTTP/1.1\r\nHo")), "", "a first head");
    assert_eq!(rest(client(&server, "")), "", "no head at all");
    let mut second = client(&server, "POST /read.php HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    let mut answer = [0; 15];
    second.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // Behind the answer: what comes together with a body is read with it, and has the time of a connection that rests.
    second.write_all(b"GET / HTTP/1.1\r\n").expect("the server takes it");
    let more = rest(second);
    assert!(!more.contains("HTTP/1.1"), "a second head: {more}");
    assert_eq!(rests.send(&Request::post("/read.php", "abc")).text(), "3", "a connection may rest for longer");
}

#[test]
fn an_idle_connection_ends_and_one_with_a_request_does_not() {
    let server = server("idle 1s\nread_header 1h", "");
    let mut busy = Connection::open(server.address());
    busy.write_raw(b"POST /read.php HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    let answer = rest(client(&server, "POST /read.php HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"));
    assert!(answer.ends_with("\r\n\r\n2"), "answered, then closed: {answer}");
    let slow = rest(client(&server, "GET /slow.php HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(slow.ends_with("\r\n\r\n1"), "the server has waited for more while the script ran: {slow}");
    busy.write_raw(b"b");
    assert_eq!(busy.read(false).text(), "2", "a request is not idle");
}

#[test]
fn a_response_that_takes_too_long_ends_with_its_connection_and_its_script() {
    let server = server("write 500ms", "");
    let answer = rest(client(&server, "GET /endless.php HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with("0\r\n\r\n"), "cut off: {answer}");
    // The script notices that its client has disconnected.
    let runs = server.path("runs");
    wait_until("the script ends", || {
        let _ = std::fs::remove_file(&runs);
        std::thread::sleep(Duration::from_millis(200));
        !runs.exists()
    });
    assert_eq!(server.send(&Request::post("/read.php", "abc")).text(), "3");
}

/// `request_body_timeout` of a block: a body that brings nothing for that long ends, and one that comes steadily does not.
#[test]
fn a_block_may_say_how_long_a_body_brings_nothing() {
    for buffering in ["request_buffering off", ""] {
        let server = Igor::new()
            .file("read.php", "<?php echo strlen(file_get_contents('php://input'));")
            .site(&format!("root {{$DIR}}\nphp_server {{\nrequest_body_timeout 1s\n{buffering}\n}}"))
            .start();
        let head = "POST /read.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 40\r\n\r\n";
        let mut steady = client(&server, head);
        for _ in 0..8 {
            steady.write_all(b"xxxxx").expect("the server takes it");
            std::thread::sleep(Duration::from_millis(200));
        }
        let answer = rest(steady);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n40"), "{buffering}: {answer}");
        let answer = rest(client(&server, &format!("{head}xxxxx")));
        assert!(!answer.ends_with("\r\n40"), "{buffering}: {answer}");
        if buffering.is_empty() {
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        }
    }
}

/// `request_body { write_timeout }`: the connection ends, before the head of the response or in its body.
#[test]
fn a_response_of_one_route_that_takes_too_long_is_cut_off() {
    let site = "request_body /slow.php {\nwrite_timeout 100ms\n}\nrequest_body /endless.php {\nwrite_timeout 500ms\n}\n\
         request_body /read.php {\nwrite_timeout 10m\n}";
    let server = server("write 10m", site);
    for target in ["/slow.php", "/endless.php"] {
        let got = rest(client(&server, &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")));
        assert_eq!(got.starts_with("HTTP/1.1 200"), target == "/endless.php", "{target}: {got}");
        assert!(!got.ends_with("0\r\n\r\n"), "{target}: it is not whole");
    }
    let got = server.send(&Request::post("/read.php", "body"));
    assert_eq!((got.status, got.header("content-length"), got.text()), (200, Some("1"), "4".to_owned()));
}

/// As in Caddy, the value of a field of the log has what later handlers find out.
#[test]
fn log_append_knows_the_upstream() {
    let upstream = Igor::new().site("respond hello").start();
    let address = upstream.address();
    let fields = "log_append by {upstream_hostport}\nlog_append at \"{path} {query.a}\"\n\
         log_append took {http.request.duration_ms}\nlog_append type {http.response.header.Content-Type}\n";
    let server = server("write 10m", &format!("{fields}reverse_proxy /up {address}"));
    assert_eq!(server.get("/up?a=1").text(), "hello");
    assert_eq!(server.get("/read.php?a=2").text(), "0");
    wait_until("two records", || records(&server).len() == 2);
    let records = records(&server);
    let shown: Vec<_> = records.iter().map(|record| (record["by"].clone(), record["at"].clone())).collect();
    assert_eq!(shown, [(json!(address.to_string()), json!("/up 1")), (json!(""), json!("/read.php 2"))]);
    let took = records[0]["took"].as_str().and_then(|took| took.parse::<f64>().ok());
    assert!(took.is_some_and(|took| took > 0.0), "{records:?}");
    assert_eq!(records[1]["type"], "text/html; charset=UTF-8");
}
