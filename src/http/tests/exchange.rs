//! Bodies in both directions.

use std::io::{Read, Write};
use std::time::Duration;

use super::*;
use crate::limits;

const MIB: usize = 1024 * 1024;

fn echo(exchange: &mut dyn Exchange) {
    let body = read_all(exchange).expect("the whole body");
    let _ = respond(exchange, 200, &["X-Length: 1"]);
    let _ = exchange.write(&body);
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[test]
fn a_small_response_is_one_message_with_its_length() {
    let server = Server::running(|exchange| {
        let _ = respond(exchange, 201, &["Content-Type: text/plain", "X-A: 1"]);
        for word in ["hello", " ", "world"] {
            assert_eq!(exchange.write(word.as_bytes()), Flow::Continue);
        }
    });
    let answer = server.get("/");
    assert_eq!((answer.status, answer.text()), (201, "hello world"));
    assert_eq!(answer.header("content-length"), Some("11"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.header("x-a"), Some("1"));
}

#[test]
fn responses_of_any_size_arrive_whole() {
    let server = Server::running(|exchange| {
        let length = uri(exchange).trim_start_matches('/').parse().expect("a size");
        let _ = respond(exchange, 200, &[]);
        for piece in pattern(length).chunks(1000) {
            assert_eq!(exchange.write(piece), Flow::Continue);
        }
    });
    let (buffer, chunk) = (limits::RESPONSE_BUFFER_BYTES, limits::RESPONSE_CHUNK_BYTES_MAX);
    for length in
        [0, 1, chunk, buffer - 1, buffer, buffer + 1, buffer + chunk - 1, buffer + chunk, buffer + chunk + 1, 3 * MIB]
    {
        let answer = server.get(&format!("/{length}"));
        assert!(answer.body == pattern(length), "{length} bytes");
        let announced = answer.header("content-length").map(str::to_owned);
        assert_eq!(announced, (length <= buffer).then(|| length.to_string()), "{length} bytes");
    }
}

#[test]
fn request_bodies_of_any_size_and_framing_arrive_whole() {
    let server = Server::running(echo);
    for length in [0, 1, 4095, 4096, 4097, 16 * 1024, 16 * 1024 + 1, 3 * MIB] {
        let body = pattern(length);
        let mut client = server.client();
        let mut writer = client.reader.get_ref().try_clone().expect("a second handle");
        let sent = body.clone();
        let sending = std::thread::spawn(move || {
            let head = format!("POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            writer.write_all(head.as_bytes()).expect("the head is taken");
            writer.write_all(&sent).expect("the body is taken");
        });
        let answer = client.answer();
        sending.join().expect("the sender ends");
        assert!(answer.body == body, "{length} bytes with a length");

        let mut client = server.client();
        client.send("POST /e HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(5000) {
            client.send(&format!("{:x}\r\n", chunk.len()));
            client.send_bytes(chunk);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        assert!(client.answer().body == body, "{length} bytes in chunks");
    }
}

#[test]
fn the_length_of_a_chunked_body_is_known_once_it_was_gathered() {
    let tell = |exchange: &mut dyn Exchange| {
        let length = exchange.head().content_length;
        let _ = exchange.write(length.to_string().as_bytes());
    };
    let cases = [
        ("Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "2", "-1"),
        ("Content-Length: 3\r\n\r\nabc", "3", "3"),
        ("X: 1\r\n\r\n", "0", "0"),
    ];
    let (gathering, streaming) = (Server::running(tell), Server::streaming(tell));
    for (rest, gathered, streamed) in cases {
        for (server, expected) in [(&gathering, gathered), (&streaming, streamed)] {
            let mut client = server.client();
            client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{rest}"));
            assert_eq!(client.answer().text(), expected, "{rest}");
        }
    }
}

#[test]
fn continue_is_only_sent_when_the_script_reads() {
    let server = Server::streaming(|exchange| {
        if uri(exchange) == "/reads" {
            echo(exchange);
        } else {
            let _ = respond(exchange, 403, &[]);
        }
    });
    let head =
        |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    let mut client = server.client();
    client.send(&head("/reads"));
    assert_eq!(client.head().expect("an interim response").status, 100);
    client.send("abc");
    assert_eq!(client.answer().text(), "abc");

    let mut client = server.client();
    client.send(&head("/refuses"));
    assert_eq!(client.head().expect("a final response").status, 403);
}

#[test]
fn a_large_response_streams_to_a_slow_reader() {
    let server = Server::running(|exchange| {
        let _ = respond(exchange, 200, &[]);
        for piece in pattern(10 * MIB).chunks(10_007) {
            assert_eq!(exchange.write(piece), Flow::Continue);
        }
    });
    let mut client = server.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let head = client.head().expect("a head");
    assert_eq!((head.status, head.header("content-length")), (200, None));
    // The sockets' buffers fill up long before 10 MiB: the script has to wait for each of these reads.
    let (mut body, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        std::thread::sleep(Duration::from_micros(200));
        match client.reader.read(&mut buffer).expect("the response goes on") {
            0 => break,
            count => body.extend_from_slice(&buffer[..count]),
        }
    }
    assert!(body == pattern(10 * MIB));
}

#[test]
fn one_large_write_arrives_whole() {
    let server = Server::running(|exchange| {
        let _ = exchange.write(b"<");
        let _ = exchange.write(&pattern(MIB));
        let _ = exchange.write(b">");
    });
    let answer = server.get("/");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    assert!(answer.body == [b"<".as_slice(), &pattern(MIB), b">"].concat());
}

#[test]
fn flushed_output_arrives_while_the_script_runs() {
    let (go_on, waits) = crossbeam_channel::bounded::<()>(1);
    let server = Server::running(move |exchange| {
        assert_eq!(exchange.flush(), Flow::Continue, "nothing to flush yet");
        let _ = respond(exchange, 200, &["Content-Type: text/event-stream"]);
        let _ = exchange.write(b"data: 1\n\n");
        assert_eq!(exchange.flush(), Flow::Continue);
        waits.recv_timeout(DEADLINE).expect("the client read the first event");
        let _ = exchange.write(b"data: 2\n\n");
    });
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head().expect("a head").status, 200);
    assert_eq!(client.line().expect("a chunk size"), "9");
    let mut event = [0; 11];
    client.reader.read_exact(&mut event).expect("the first event");
    assert_eq!(&event, b"data: 1\n\n\r\n");
    go_on.send(()).expect("the script waits");
    assert_eq!(client.line().expect("a chunk size"), "9");
}

#[test]
fn a_client_that_hangs_up_is_noticed() {
    let (events, seen) = crossbeam_channel::unbounded();
    let (started, starts) = crossbeam_channel::unbounded();
    let server = Server::running(move |exchange| {
        started.send(()).expect("the test listens");
        let noticed_by = match uri(exchange).as_str() {
            "/asks" => {
                wait_until("the client is gone", || exchange.client_gone());
                "client_gone"
            }
            "/streams" => {
                while exchange.write(&[b'x'; 4096]) == Flow::Continue {}
                "write"
            }
            _ => {
                let _ = respond(exchange, 200, &[]);
                wait_until("the flush fails", || {
                    exchange.write(b"x") == Flow::ClientGone || exchange.flush() == Flow::ClientGone
                });
                "flush"
            }
        };
        assert_eq!(exchange.write(b"more"), Flow::ClientGone);
        assert!(exchange.client_gone());
        events.send(noticed_by).expect("the test listens");
    });
    for (path, expected) in [("/asks", "client_gone"), ("/streams", "write"), ("/flushes", "flush")] {
        let mut client = server.client();
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        starts.recv_timeout(DEADLINE).expect("the script starts");
        // HEAD gets the same length.
        if path == "/asks" {
            client.reset()
        } else {
            drop(client)
        }
        assert_eq!(seen.recv_timeout(DEADLINE), Ok(expected));
    }
}

#[test]
fn a_body_that_breaks_off_is_told_from_one_that_ends() {
    let (events, seen) = crossbeam_channel::unbounded();
    let server = Server::streaming(move |exchange| {
        let first = read_all(exchange).map(|body| body.len());
        events.send((first.is_err(), exchange.read_body(&mut [0; 8]).is_err())).expect("the test listens");
    });
    for framing in ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
        let mut client = server.client();
        client.send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}"));
        drop(client);
        assert_eq!(seen.recv_timeout(DEADLINE), Ok((true, true)), "{framing}");
    }
}

#[test]
fn responses_without_body_leave_the_connection_usable() {
    let server = Server::running(|exchange| {
        let status = uri(exchange).trim_start_matches('/').parse().expect("a status");
        let _ = respond(exchange, status, &["Content-Length: 5"]);
        let _ = exchange.write(b"hello");
        let _ = exchange.flush();
        let _ = exchange.write(&[b'x'; 100_000]);
    });
    let mut client = server.client();
    for (method, status, length) in
        [("HEAD", 200, Some("5")), ("GET", 204, None), ("GET", 304, None), ("HEAD", 304, None), ("GET", 200, Some("5"))]
    {
        client.send(&format!("{method} /{status} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer_to(method).expect("a response");
        assert_eq!((answer.status, answer.header("content-length")), (status, length), "{method}");
    }
}

#[test]
fn head_names_the_length_that_the_script_wrote() {
    let server = Server::running(|exchange| {
        let _ = respond(exchange, 200, &[]);
        let _ = exchange.write(b"hello");
    });
    let mut client = server.client();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = client.answer_to("HEAD").expect("a response");
    assert_eq!((answer.header("content-length"), answer.body.len()), (Some("5"), 0));
}

#[test]
fn a_wrong_content_length_cannot_be_mistaken_for_the_next_response() {
    let server = Server::running(|exchange| {
        let uri = uri(exchange);
        let (promised, written) = uri.trim_start_matches('/').split_once('/').expect("two numbers");
        let _ = respond(exchange, 200, &[&format!("Content-Length: {promised}")]);
        let _ = exchange.write(&vec![b'x'; written.parse().expect("a number")]);
    });
    // Too many bytes: the excess is dropped, and the connection continues.
    let mut client = server.client();
    for (promised, written) in [(3, 5), (3, 100_000), (0, 1), (5, 5), (100_000, 100_000)] {
        client.send(&format!("GET /{promised}/{written} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().body.len(), promised, "{promised} of {written}");
    }
    // Too few bytes: the client notices that some are missing.
    for (promised, written) in [(5, 3), (5, 0), (100_000, 50_000)] {
        let mut client = server.client();
        client.send(&format!("GET /{promised}/{written} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(client.answer_to("GET").is_err(), "{promised} of {written}");
    }
}

#[test]
fn a_script_that_says_nothing_gets_500() {
    let server = Server::running(|exchange| match uri(exchange).as_str() {
        "/failed-after-status" => {
            let _ = respond(exchange, 200, &[]);
            exchange.ended(true);
        }
        "/failed-after-output" => {
            let _ = respond(exchange, 200, &[]);
            let _ = exchange.write(b"half");
            exchange.ended(true);
        }
        "/failed-with-own-status" => {
            let _ = respond(exchange, 404, &[]);
            exchange.ended(true);
        }
        "/empty" => {
            let _ = respond(exchange, 200, &[]);
        }
        _ => {}
    });
    let cases = [
        ("/nothing", 500, ""),
        ("/failed-after-status", 500, ""),
        ("/failed-after-output", 200, "half"),
        ("/failed-with-own-status", 404, ""),
        ("/empty", 200, ""),
    ];
    for (path, status, body) in cases {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.text()), (status, body), "{path}");
    }
}

#[test]
fn finish_lets_the_client_go_while_the_script_goes_on() {
    let (go_on, waits) = crossbeam_channel::unbounded::<()>();
    let (events, seen) = crossbeam_channel::unbounded();
    let server = Server::running(move |exchange| {
        if uri(exchange) == "/long" {
            let _ = exchange.write(b"done");
            exchange.finish();
            waits.recv_timeout(DEADLINE).expect("the client has its answer");
            let flow = (exchange.write(b"ignored"), exchange.flush());
            events.send((flow, exchange.client_gone(), read_all(exchange).is_ok())).expect("the test listens");
        }
    });
    let mut client = server.client();
    client.send("POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().text(), "done");
    go_on.send(()).expect("the script waits");
    assert_eq!(seen.recv_timeout(DEADLINE), Ok(((Flow::Continue, Flow::Continue), false, true)));
}

#[test]
fn early_hints_come_before_the_response() {
    let (go_on, waits) = crossbeam_channel::unbounded::<()>();
    let server = Server::running(move |exchange| {
        for status in [103, 200, 101] {
            let mut head = ResponseHead::new(status);
            head.push_line(b"Link: </a.css>; rel=preload");
            head.push_line(b"Content-Length: 5");
            assert_eq!(exchange.inform(head), Flow::Continue);
        }
        if uri(exchange) == "/waits" {
            waits.recv_timeout(DEADLINE).expect("the client has the hints");
        }
        let _ = exchange.write(b"page");
    });
    let mut client = server.client();
    for path in ["/waits", "/at-once", "/waits"] {
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let hints = client.head().expect("an interim response");
        assert_eq!((hints.status, hints.header("link")), (103, Some("</a.css>; rel=preload")), "{path}");
        assert_eq!(hints.headers.len(), 1);
        if path == "/waits" {
            go_on.send(()).expect("the script waits");
        }
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "page"), "{path}");
    }

    // HTTP/1.0 knows no interim responses.
    let mut client = server.client();
    client.send("GET /at-once HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn early_hints_never_land_inside_another_response() {
    let server = Server::running(|exchange| {
        let mut head = ResponseHead::new(103);
        head.push_line(b"Link: </a.css>");
        let _ = exchange.inform(head);
        let size = uri(exchange).trim_start_matches('/').parse().expect("a size");
        let _ = respond(exchange, 200, &[]);
        let _ = exchange.write(&vec![b'x'; size]);
    });
    let mut client = server.client();
    let sizes = [10, 2 * MIB, 10, limits::RESPONSE_BUFFER_BYTES, 2 * MIB, 0, 10];
    for size in sizes {
        client.send(&format!("GET /{size} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for size in sizes {
        let answer = loop {
            let answer = client.answer();
            match answer.status {
                103 => assert_eq!(answer.header("link"), Some("</a.css>")),
                _ => break answer,
            }
        };
        assert_eq!((answer.status, answer.body.len()), (200, size));
        assert!(answer.body.iter().all(|&byte| byte == b'x'));
    }
}
