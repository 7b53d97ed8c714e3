//! What the rules of HTTP mean for requests and answers in frames: the same as over HTTP/1.1 (`http_rules`, `request_body`).

use super::{Client, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, frame};
use crate::common::{Igor, Server};

/// The codes of errors (RFC 9113, 7).
const PROTOCOL_ERROR: u8 = 1;
const CANCEL: u8 = 8;

const SCRIPTS: [&str; 2] = ["run.php", "worker.php"];

/// Two PHP threads for requests, and one for the worker.
fn server() -> Server {
    let run = "file_put_contents(getenv('DIR') . '/ran', $_GET['tag'] ?? '', FILE_APPEND); eval($_GET['code']);";
    Igor::new()
        .global("servers {\nprotocols h1 h2c\n}")
        .frankenphp("num_threads 3\nmax_threads 3")
        .file("run.php", &format!("<?php {run}"))
        .file(
            "worker.php",
            &format!("<?php $n = 0; while (frankenphp_handle_request(function () use (&$n) {{ $n++; {run} }}));"),
        )
        .site("root {$DIR}\nphp_server {\nenv DIR {$DIR}\nworker {$DIR}/worker.php 1\n}")
        .start()
}

/// The target that runs this code.
fn target(script: &str, code: &str) -> String {
    let encoded: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/{script}?code={encoded}")
}

/// A field that goes into no table (RFC 7541, 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            field.push(length as u8);
        } else {
            let rest = length - 127;
            assert!(rest < 1 << 14, "a text of this test");
            field.extend([127, (rest % 128) as u8 | 128, (rest / 128) as u8]);
        }
        field.extend(text.as_bytes());
    }
    field
}

fn head(method: &str, path: &str, authority: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let own = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority)];
    own.iter().chain(more).flat_map(|(name, value)| field(name, value)).collect()
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", path, "a.test", &[]))
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The status at the beginning of a block of fields: an entry of the static table, or three digits in the code of Huffman (RFC
/// 7541, appendix B).
fn status(block: &[u8]) -> u16 {
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match *block {
        [index @ 0x88..=0x8e, ..] => INDEXED[usize::from(index - 0x88)],
        [0x08 | 0x48, length, ref rest @ ..] if length & 128 != 0 => {
            let bits = rest[..usize::from(length & 127)].iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let mut left = 8 * u32::from(length & 127);
            let mut digits = 0;
            for _ in 0..3 {
                // 0, 1 and 2 have five bits, the others have six.
                let five = bits >> (left - 5) & 31;
                let (digit, used) = if five < 3 { (five, 5) } else { ((bits >> (left - 6) & 63) - 22, 6) };
                digits = 10 * digits + digit;
                left -= used;
            }
            digits as u16
        }
        _ => panic!("no status: {block:?}"),
    }
}

/// How the server has answered on one stream.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    status: Option<u16>,
    body: Vec<u8>,
    /// The code of the reset, where the stream or the connection did not end well.
    broken: Option<u8>,
}

impl Answer {
    fn read(client: &mut Client, stream: u32) -> Self {
        let mut answer = Self::default();
        loop {
            let ends = match client.next().expect("an answer") {
                (HEADERS, flags, of, payload) if of == stream => {
                    assert!(flags & END_HEADERS != 0, "a short head");
                    answer.status = Some(status(&payload));
                    flags & END_STREAM != 0
                }
                (DATA, flags, of, payload) if of == stream => {
                    answer.body.extend(payload);
                    flags & END_STREAM != 0
                }
                (RST_STREAM, _, of, payload) if of == stream => {
                    answer.broken = payload.last().copied();
                    true
                }
                (GOAWAY, _, _, payload) => {
                    answer.broken = payload.get(7).copied();
                    true
                }
                _ => false,
            };
            if ends {
                return answer;
            }
        }
    }

    fn to(server: &Server, frames: &[u8]) -> Self {
        let mut client = Client::connect(server, b"");
        client.write(frames);
        Self::read(&mut client, 1)
    }

    fn text(&self) -> (Option<u16>, String, Option<u8>) {
        (self.status, String::from_utf8_lossy(&self.body).into_owned(), self.broken)
    }
}

fn form(stream: u32, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &head("POST", path, "a.test", &[&[FORM], more].concat()))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, CANCEL])
}

/// S1, S2: a form that the client takes back, leaves half sent, or sends with another length than it has announced.
#[test]
fn a_form_that_is_not_whole_reaches_no_script_and_holds_no_thread() {
    let server = server();
    for script in SCRIPTS {
        let path = target(script, "echo json_encode($_POST);") + "&tag=cut";
        let half = frame(DATA, 0, 1, b"amount=1");
        let mut client = Client::connect(&server, b"");
        client.write(&[form(1, &path, &[]), half.clone(), reset(1)].concat());
        // The frames of a connection are read in their order.
        client.write(&get(3, &target("run.php", "echo 'next';")));
        assert_eq!(Answer::read(&mut client, 3).text(), (Some(200), "next".to_owned(), None));
        let mut client = Client::connect(&server, b"");
        client.write(&[form(1, &path, &[]), half].concat());
        drop(client);
        for (length, body) in [("30", "amount=1"), ("3", "amount=1")] {
            let whole = [form(1, &path, &[("content-length", length)]), frame(DATA, END_STREAM, 1, body.as_bytes())];
            let answer = Answer::to(&server, &whole.concat());
            assert_eq!((answer.broken, answer.body.len()), (Some(PROTOCOL_ERROR), 0), "{script} {length}");
        }
    }
    let mut client = Client::connect(&server, b"");
    let streams: Vec<(u32, &str)> = (0..10).map(|number| 2 * number + 1).zip(SCRIPTS.into_iter().cycle()).collect();
    for (stream, script) in &streams {
        let path = target(script, "echo json_encode($_POST);");
        client.write(&[form(*stream, &path, &[("content-length", "3")]), frame(DATA, 0, *stream, b"a")].concat());
    }
    for script in SCRIPTS {
        let answer = Answer::to(&server, &get(1, &target(script, "echo 'beside';")));
        assert_eq!(answer.text(), (Some(200), "beside".to_owned(), None), "{script}");
    }
    assert_eq!(std::fs::read_to_string(server.path("ran")).expect("scripts have run"), "", "no form was taken");
    for (stream, script) in &streams {
        client.write(&frame(DATA, END_STREAM, *stream, b"=1"));
        assert_eq!(Answer::read(&mut client, *stream).text(), (Some(200), r#"{"a":"1"}"#.to_owned(), None), "{script}");
    }
    let runs = target("worker.php", "echo $n;");
    assert_eq!(Answer::to(&server, &get(1, &runs)).text().1, "7", "one run, and no request of it but these");
}

/// W7, W8, W9, W11
#[test]
fn what_is_no_request_for_a_script_reaches_none() {
    let server = server();
    let path = target("run.php", "echo $_SERVER['HTTP_HOST'];") + "&tag=ran";
    let malformed: &[(&str, &str)] = &[
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "gzip, chunked"),
        ("connection", "close"),
        ("te", "gzip"),
        ("Upper", "case"),
        (":path", "/other"),
        (":unknown", "x"),
        ("x y", "z"),
        ("x", "a\r\nb: c"),
    ];
    for more in malformed {
        let block = head("GET", &path, "a.test", &[*more]);
        let answer = Answer::to(&server, &frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
        assert_eq!(answer.text(), (None, String::new(), Some(PROTOCOL_ERROR)), "{more:?}");
    }
    for (method, authority, more, expected) in [
        ("GET", "a:bc", ("x", "y"), 400),
        ("GET", "a:99999", ("x", "y"), 400),
        ("GET", "a@b", ("x", "y"), 400),
        ("TRACE", "a.test", ("cookie", "secret"), 405),
    ] {
        let block = head(method, &path, authority, &[more]);
        let answer = Answer::to(&server, &frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
        assert_eq!((answer.status, answer.broken), (Some(expected), None), "{method} {authority}");
        assert!(!answer.text().1.contains("secret"));
    }
    assert!(!server.path("ran").exists());
    // The authority is the host, whatever the field says.
    let block = head("GET", &path, "a.test", &[("host", "b.test")]);
    let answer = Answer::to(&server, &frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
    assert_eq!(answer.text(), (Some(200), "a.test".to_owned(), None));
}

/// W2, W6, W10, W12
#[test]
fn answers_are_those_of_http_1() {
    let server = server();
    let cases = [
        ("header('Content-Length: 10'); echo 'abc';", (Some(200), "abc", true)),
        ("header('Content-Length: 10'); echo 'abc'; nothing();", (Some(200), "abc", true)),
        ("header('Content-Length: 2'); echo 'abcdef';", (Some(200), "ab", false)),
        ("for ($i = 0; $i < 25000; $i++) header(\"X-$i: 1\"); echo 'text';", (Some(500), "", false)),
        ("header('X: ' . str_repeat('x', 2 << 20)); echo 'text';", (Some(500), "", false)),
        ("http_response_code(204); echo 'text';", (Some(204), "", false)),
        ("http_response_code(205); echo 'text';", (Some(205), "", false)),
        ("http_response_code(304); echo 'text';", (Some(304), "", false)),
        ("header('Status: 404 Not Found'); echo 'text';", (Some(404), "text", false)),
        ("header('HTTP/1.1 410 Away'); echo 'text';", (Some(410), "text", false)),
        ("header('Connection: close'); header('Transfer-Encoding: chunked'); echo 'text';", (Some(200), "text", false)),
    ];
    for script in SCRIPTS {
        for (code, (status, body, is_broken)) in cases {
            let answer = Answer::to(&server, &get(1, &target(script, code)));
            assert_eq!(
                (answer.status, answer.text().1.as_str(), answer.broken.is_some()),
                (status, body, is_broken),
                "{script} {code}"
            );
        }
        let block = head("HEAD", &target(script, "echo 'text';"), "a.test", &[]);
        let answer = Answer::to(&server, &frame(HEADERS, END_STREAM | END_HEADERS, 1, &block));
        assert_eq!(answer.text(), (Some(200), String::new(), None), "{script} HEAD");
    }
}

/// R3: a stream that its client resets while the worker's script flushes.
#[test]
fn a_reset_while_the_script_flushes_ends_its_request_alone() {
    let server = server();
    let endless = target("worker.php", "while (true) { echo str_repeat('x', 10000); flush(); usleep(1000); }");
    for round in 1..4 {
        let mut client = Client::connect(&server, b"");
        client.write(&get(1, &endless));
        while !matches!(client.next(), Some((DATA, _, 1, _))) {}
        client.write(&reset(1));
        let count = Answer::to(&server, &get(1, &target("worker.php", "echo $n;")));
        assert_eq!(count.text(), (Some(200), (2 * round).to_string(), None), "one run");
    }
    assert_eq!(server.log.count("restarting it") + server.log.count("ERROR"), 0);
}
