//! Request bodies that are slow, incomplete, malformed or unwanted.

use crate::common::{Igor, Request, Server, wait_for};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const MULTIPART: &str = "Content-Type: multipart/form-data; boundary=b\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// Reports the received form, and leaves a file.
const SHOW: &str =
    "touch(getenv('DIR') . '/ran'); echo json_encode([$_POST, $_FILES, strlen(file_get_contents('php://input'))]);";

/// Reports how far the body was read.
const READS: &str = "ignore_user_abort(true); $body = @file_get_contents('php://input');
    file_put_contents(getenv('DIR') . '/read', json_encode([strlen($body), connection_aborted(), error_get_last()['message'] ?? null]));";

fn server(php_server: &str) -> Server {
    let worker = format!(
        "<?php $n = 0; while (frankenphp_handle_request(function () use (&$n) {{ $n++; if (isset($_GET['count'])) {{ echo $n; return; }} if (isset($_GET['reads'])) {{ {READS} echo 'more'; return; }} {SHOW} }}));"
    );
    Igor::new()
        .frankenphp("num_threads 2\nmax_threads 2")
        .file("show.php", &format!("<?php {SHOW}"))
        .file("worker.php", &worker)
        .file("hello.php", "<?php echo 'hello';")
        .file("none.php", "<?php echo 'not read';")
        .file("reads.php", &format!("<?php {READS}"))
        .site(&format!(
            "root {{$DIR}}\nphp_server {{\nenv DIR {{$DIR}}\nworker {{$DIR}}/worker.php 1\n{php_server}\n}}"
        ))
        .start()
}

fn stream(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the server accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    stream
}

/// Sends bytes and closes the sending side; returns all that comes back.
fn exchange(server: &Server, bytes: &str) -> String {
    let mut stream = stream(server);
    stream.write_all(bytes.as_bytes()).expect("the server takes it");
    stream.shutdown(Shutdown::Write).expect("it can be shut down");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn broken_bodies() -> Vec<String> {
    let part = "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\nhalf a fi";
    vec![
        format!("{FORM}Content-Length: 30\r\n\r\namount=1&to=half"),
        format!("{FORM}Transfer-Encoding: chunked\r\n\r\n8\r\namount=1\r\nzz\r\n"),
        format!("{FORM}Transfer-Encoding: chunked\r\n\r\n8\r\namount=1\r\n"),
        format!("{MULTIPART}Content-Length: 1000\r\n\r\n{part}"),
        format!("{JSON}Content-Length: 30\r\n\r\n{{\"amount\": 1"),
    ]
}

/// S1: such a script used to process half a form, with status 200.
#[test]
fn a_body_that_is_not_whole_reaches_no_script() {
    for buffering in ["", "request_buffering off"] {
        let server = server(buffering);
        for script in ["show.php", "worker.php"] {
            for body in broken_bodies() {
                let answer = exchange(&server, &format!("POST /{script} HTTP/1.1\r\nHost: a\r\n{body}"));
                assert!(answer.starts_with("HTTP/1.1 400 "), "{buffering} {script} {body}: {answer:?}");
                assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
            }
        }
        assert!(!server.path("ran").exists(), "{buffering}");
        let form = Request::form("/show.php", "amount=1");
        assert_eq!(server.send(&form).text(), r#"[{"amount":"1"},[],8]"#);
        // All of it was one run of the worker, and no request of it but this one ran.
        assert_eq!(server.get("/worker.php?count").text(), "1", "{buffering}");
        assert_eq!(server.log.count("worker script failed"), 0);
    }
}

/// S1: a script that reads a streamed body notices that it is incomplete.
#[test]
fn a_streamed_body_that_breaks_off_is_a_read_error() {
    let server = server("request_buffering off");
    for script in ["reads.php", "worker.php?reads"] {
        for body in ["Content-Length: 30\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"] {
            let answer = exchange(&server, &format!("PUT /{script} HTTP/1.1\r\nHost: a\r\n{body}"));
            assert!(answer.starts_with("HTTP/1.1 400 "), "{script}: {answer:?}");
            let read = wait_for_json(&server);
            assert_eq!((&read[0], &read[1]), (&4.into(), &1.into()), "{script}: {read}");
            assert!(
                read[2].as_str().is_some_and(|text| text.contains("ended before all of it was received")),
                "{read}"
            );
            std::fs::remove_file(server.path("read")).expect("the file is there");
        }
    }
    // The worker's run continues.
    assert_eq!(server.get("/worker.php?count").text(), "3");
    assert_eq!(server.log.count("worker script failed"), 0);
}

/// What the script has written.
fn wait_for_json(server: &Server) -> serde_json::Value {
    let read = || std::fs::read(server.path("read")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    wait_for("the script to read", read)
}

/// S2: as many clients as PHP threads that sent one byte of a body held all PHP up.
#[test]
fn clients_that_send_half_a_body_hold_no_thread() {
    let server = server("");
    let half: Vec<TcpStream> = ["show.php", "worker.php"]
        .into_iter()
        .cycle()
        .take(8)
        .map(|script| {
            let mut stream = stream(&server);
            let request = format!("POST /{script} HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 3\r\n\r\na");
            stream.write_all(request.as_bytes()).expect("the server takes it");
            stream
        })
        .collect();
    for _ in 0..4 {
        assert_eq!(server.get("/hello.php").text(), "hello");
        assert_eq!(server.get("/worker.php?count").status, 200);
    }
    assert!(!server.path("ran").exists());
    for mut stream in half {
        stream.write_all(b"=1").expect("the server takes it");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

/// A body that does not fit into memory arrives whole, with its length, however it was sent.
#[test]
fn bodies_of_any_size_arrive_whole() {
    let server = server("");
    for length in [1, 255 * 1024, 256 * 1024, 256 * 1024 + 1, 5 << 20] {
        let request = Request::new("PUT", "/show.php").body(vec![b'x'; length]);
        assert_eq!(server.send(&request).text(), format!("[[],[],{length}]"));
        assert_eq!(server.send(&request.chunked()).text(), format!("[[],[],{length}]"));
    }
}

#[test]
fn a_body_beyond_the_bound_is_refused() {
    let server = server("request_buffering 10KiB");
    let request = "PUT /none.php HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n";
    assert!(exchange(&server, request).starts_with("HTTP/1.1 413 "), "no 100 before it");
    let chunked = Request::new("PUT", "/none.php").body(vec![b'x'; 20_000]).chunked();
    assert_eq!(server.send(&chunked).status, 413);
    assert_eq!(server.send(&Request::new("PUT", "/none.php").body(vec![b'x'; 10_000])).status, 200);
}

/// The connection was closed with unread bytes, which resets it: the client failed to write, and never read why.
#[test]
fn a_client_that_sends_its_whole_body_first_reads_the_early_response() {
    let server = server("request_buffering 10KiB");
    const LENGTH: usize = 8 << 20;
    let heads = [
        ("a length", format!("PUT /none.php HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n"), "413"),
        (
            "chunks",
            "PUT /none.php HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n800000\r\n".to_owned(),
            "413",
        ),
        ("the rest of a head", "GET / HTTP/1.1\r\nHost: a\r\nX: ".to_owned(), "431"),
    ];
    for (what, head, status) in heads {
        let mut stream = stream(&server);
        stream.write_all(head.as_bytes()).expect("the server takes it");
        for piece in vec![b'x'; LENGTH].chunks(64 * 1024) {
            stream.write_all(piece).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("{what}: {error}"));
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {answer:?}");
    }
    // A server that stops does not wait for such a client to the end.
    let mut open = stream(&server);
    open.write_all(b"PUT /none.php HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n").expect("the server takes it");
    open.read_to_end(&mut Vec::new()).expect("the answer");
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

/// W5: PHP used to read the rest of the body, which delayed the answer.
#[test]
fn the_answer_does_not_wait_for_a_streamed_body_that_the_script_ignores() {
    let server = server("request_buffering off");
    for script in ["none.php", "worker.php?count"] {
        let mut stream = stream(&server);
        let head = format!("PUT /{script} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("the server takes it");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer, and an end");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{script}: {answer:?}");
    }
}

/// Reads php://input in several ways. `files` are the temporary files that the process has open.
const INPUT: &str = "$body = file_get_contents('php://input');
    $a = fopen('php://input', 'r');
    $steps = [fread($a, 4), ftell($a), fseek($a, -4, SEEK_END), fread($a, 9), feof($a), rewind($a), fread($a, 2), stream_get_contents($a, 3, 1),
        fseek($a, -1), @fwrite($a, 'x'), fseek($a, 9, SEEK_END), fread($a, 1), strlen(file_get_contents('php://input'))];
    $open = fn ($fd) => (string) @readlink(\"/proc/self/fd/$fd\");
    $files = preg_grep('~^' . sys_get_temp_dir() . '/(php|#)~', array_map($open, scandir('/proc/self/fd')));
    echo json_encode([md5($body), $steps, count($files)]);";

/// PHP copied each body that is no form into a temporary file of its own.
#[test]
fn php_input_reads_a_gathered_body_where_it_is() {
    let server = Igor::new()
        .frankenphp("num_threads 2\nmax_threads 2")
        .file("input.php", &format!("<?php {INPUT}"))
        .file("worker.php", &format!("<?php while (frankenphp_handle_request(function () {{ {INPUT} }}));"))
        .site("root {$DIR}\nphp_server {\nworker {$DIR}/worker.php 1\n}")
        .start();
    for (length, files) in [(100, 0), (200_000, 0), (1_000_000, 0), (6_000_000, 1)] {
        let body: Vec<u8> = (0..length).map(|index: u32| b'a' + (index % 23) as u8).collect();
        let last = String::from_utf8_lossy(&body[body.len() - 4..]).into_owned();
        let steps = format!(r#"["abcd",4,0,"{last}",false,true,"ab","bcd",-1,false,0,"",{length}]"#);
        for script in ["/input.php", "/worker.php"] {
            for method in ["POST", "PUT", "GET"] {
                let request = Request::new(method, script).header("content-type", "text/x-data").body(body.clone());
                let answer = server.send(&request).text();
                assert!(answer.contains(&steps), "{script} {method} {length}: {answer}");
                assert!(answer.ends_with(&format!(",{files}]")), "{script} {method} {length}: {answer}");
                let chunked = server.send(&request.chunked()).text();
                assert_eq!(chunked, answer, "{script} {method} {length}");
            }
        }
    }
}

/// A script that keeps the stream, which get_resources() shows, or a handle of php://input, reads no other request's body with
/// it. It cannot close the stream under PHP.
#[test]
fn php_input_ends_with_its_request() {
    let keep = "$was = array_map(fn ($s) => is_resource($s) ? @stream_get_contents($s, null, 0) : null, $kept);
        $body = file_get_contents('php://input');
        if ($handle) { rewind($handle); $was[] = stream_get_contents($handle); fseek($handle, 1); $was[] = fgets($handle); }
        $handle = fopen('php://input', 'r');
        $kept = get_resources('stream');
        array_map(fn ($s) => $s === $handle || @fclose($s), $kept);
        echo json_encode([count($kept) > 1, in_array($body, $was, true), file_get_contents('php://input') === $body]);";
    let finished = "echo 'sent'; frankenphp_finish_request(); file_put_contents(getenv('DIR') . '/late', file_get_contents('php://input'));";
    let server = Igor::new()
        .file(
            "worker.php",
            &format!("<?php $kept = []; $handle = null; while (frankenphp_handle_request(function () use (&$kept, &$handle) {{ {keep} }}));"),
        )
        .file("finished.php", &format!("<?php {finished}"))
        .site("root {$DIR}\nphp_server {\nenv DIR {$DIR}\nworker {$DIR}/worker.php 1\n}")
        .start();
    for secret in ["first", "second", "third", "fourth"] {
        let request = Request::new("POST", "/worker.php").header("content-type", "text/plain").body(secret);
        assert_eq!(server.send(&request).text(), "[true,false,true]", "{secret}");
    }
    // As php-fpm does: the response has ended, and the body is still there.
    for method in ["POST", "PUT"] {
        let body = format!("of {method}");
        let request = Request::new(method, "/finished.php").header("content-type", "text/plain").body(body.clone());
        assert_eq!(server.send(&request).text(), "sent");
        let written = || std::fs::read_to_string(server.path("late")).ok().filter(|late| *late == body);
        wait_for("the script to read the body", written);
    }
}
