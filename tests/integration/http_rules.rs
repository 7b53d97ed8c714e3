//! HTTP, compared with php-fpm behind a web server and with the RFCs.

use crate::common::{Connection, Igor, Request, Server, wait_until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A server whose scripts run the code in the query, in classic mode and in a worker.
fn server() -> Server {
    configured("")
}

fn configured(frankenphp: &str) -> Server {
    Igor::new()
        .frankenphp(frankenphp)
        .file("run.php", "<?php eval($_GET['code']);")
        .file("worker.php", "<?php while (frankenphp_handle_request(fn () => eval($_GET['code'])));")
        .site("root {$DIR}\nphp_server {\nenv DIR {$DIR}\nworker {$DIR}/worker.php 1\n}")
        .start()
}

const SCRIPTS: [&str; 2] = ["run.php", "worker.php"];

/// The target that runs this code.
fn target(script: &str, code: &str) -> String {
    let encoded: String = code.bytes().map(|byte| format!("%{byte:02x}")).collect();
    format!("/{script}?code={encoded}")
}

/// Sends raw bytes, and reads until the server closes the connection.
fn raw(address: SocketAddr, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    stream.write_all(bytes.as_bytes()).expect("the server takes it");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The whole answer to a request after which the connection ends.
fn answer(server: &Server, script: &str, code: &str) -> String {
    raw(server.address(), &format!("GET {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", target(script, code)))
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

/// S3: `html_errors` was off, so a message with what a client sent was markup.
#[test]
fn an_error_that_is_shown_is_no_markup_of_a_client() {
    let server = configured("php_ini display_errors 1");
    for script in SCRIPTS {
        let code = "ini_get('html_errors') === '1' or die('off'); throw new Exception($_GET['x']);";
        let response = server.get(&(target(script, code) + "&x=%3Cscript%3E"));
        let text = response.text();
        assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"), "{script}: {text}");
        server.wait_log(&["Uncaught Exception: <script>"]);
    }
    let log = server.log.text();
    assert!(!log.contains("<b>") && !log.contains("<br"), "{log}");
}

/// W1
#[test]
fn header_names_are_canonical_in_both_directions() {
    let server = server();
    for script in SCRIPTS {
        let code = "header('x-MY-header: 1'); echo json_encode([getallheaders(), apache_request_headers(), frankenphp_request_headers()]);";
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer x\r\nX-CUSTOM-id: 7\r\nconnection: close\r\n\r\n",
            target(script, code)
        );
        let answer = raw(server.address(), &request);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        for line in ["\r\nX-My-Header: 1\r\n", "\r\nContent-Type: text/html", "\r\nContent-Length: ", "\r\nDate: "] {
            assert!(format!("{head}\r\n").contains(line), "{line:?} is not in {head:?}");
        }
        let lists: Value = serde_json::from_str(body).expect("JSON");
        let expected = json!({"Host": "a", "Authorization": "Bearer x", "X-Custom-Id": "7", "Connection": "close"});
        assert_eq!(lists, json!([expected, expected, expected]), "{script}");
    }
    // PHP's own client, in another thread of the same server.
    let code = format!(
        "echo json_encode(get_headers('http://{}/run.php?code=', true)['Content-Type'] ?? null);",
        server.address()
    );
    assert_eq!(server.get(&target("run.php", &code)).text(), "\"text\\/html; charset=UTF-8\"");
}

/// W2: an answer shorter than announced used to be dropped completely.
#[test]
fn an_answer_that_is_shorter_than_announced_is_sent_as_far_as_it_goes() {
    let server = server();
    let short = "header('Content-Length: 10'); echo 'abc';";
    let fatal = "header('Content-Length: 10'); echo 'abc'; nothing();";
    let streamed = "header('Content-Length: 100000'); echo str_repeat('x', 40000); flush(); echo str_repeat('y', 3000); echo 'end';";
    for script in SCRIPTS {
        for (code, length, end) in [(short, 10, "abc"), (fatal, 10, "abc"), (streamed, 100_000, "yend")] {
            let answer = answer(&server, script, code);
            assert_eq!(status(&answer), "200", "{script} {code}: {answer:?}");
            assert!(answer.contains(&format!("Content-Length: {length}\r\n")), "{script} {code}: {answer:?}");
            assert!(answer.ends_with(end), "{script} {code}: {} bytes", answer.len());
        }
    }
    // The client reads slowly: what waits in the server is more than what the system takes.
    let code =
        "header('Content-Length: 9000000'); for ($i = 0; $i < 100; $i++) echo str_repeat('x', 80000); echo 'end';";
    let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
    write!(stream, "GET {} HTTP/1.1\r\nHost: a\r\n\r\n", target("run.php", code)).expect("the server takes it");
    std::thread::sleep(Duration::from_millis(200));
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server closes the connection");
    assert!(answer.ends_with(b"xend") && answer.len() > 8_000_003, "{} bytes", answer.len());
}

/// W2
#[test]
fn an_answer_that_is_longer_than_announced_is_one_warning() {
    let server = server();
    let code = "header('Content-Length: 3'); flush(); for ($i = 0; $i < 50; $i++) { echo 'ab'; flush(); }";
    assert!(answer(&server, "run.php", code).ends_with("\r\n\r\naba"));
    wait_until("the script to end", || server.log.count("wrote more than its Content-Length") > 0);
    assert_eq!(server.get(&target("run.php", "echo 1;")).text(), "1");
    assert_eq!(server.log.count("wrote more than its Content-Length"), 1);
}

/// W6: this used to cause a panic and an empty 200.
#[test]
fn more_headers_than_can_be_sent_are_a_500() {
    let server = server();
    for script in SCRIPTS {
        let long = "header('X: ' . str_repeat('x', 2 << 20)); echo 'text';";
        assert_eq!(server.get(&target(script, long)).status, 500, "{script}");
        server.wait_log(&["headers of more than 1048576 bytes"]);
        let code = "for ($i = 0; $i < 25000; $i++) header(\"X-$i: 1\"); echo 'text';";
        assert_eq!(server.get(&target(script, code)).status, 500, "{script}");
        let few = "for ($i = 0; $i < 90; $i++) header(\"X-$i: 1\"); echo 'text';";
        assert_eq!(server.get(&target(script, few)).text(), "text");
    }
    // The log is read by another thread than the answers.
    wait_until("the second record", || server.log.count("more than 4096 headers") >= 2);
    assert_eq!(server.log.count("more than 4096 headers"), 2);
}

/// W7, W8, W9, W11
#[test]
fn what_is_no_request_for_a_script_reaches_none() {
    let server = server();
    let cases = [
        ("GET a.test HTTP/1.1\r\nHost: a\r\n", "400"),
        ("GET a.test:80 HTTP/1.1\r\nHost: a\r\n", "400"),
        ("GET * HTTP/1.1\r\nHost: a\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: [x]\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: ::1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:bc\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:-1\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n", "501"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "501"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n", "400"),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "400"),
        ("TRACE /run.php HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n", "405"),
    ];
    for (request, expected) in cases {
        let answer = raw(server.address(), &format!("{request}Connection: close\r\n\r\n"));
        assert_eq!(status(&answer), expected, "{request}: {answer:?}");
        assert!(!answer.contains("secret"), "{answer}");
    }
    let hello = target("run.php", "echo $_SERVER['SERVER_NAME'];");
    for (host, name) in
        [("[::1]", "[::1]"), ("[::1]:80", "[::1]"), ("a:", "a"), ("a:65535", "a"), ("a_b.test.", "a_b.test")]
    {
        let answer =
            raw(server.address(), &format!("GET {hello} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        assert!(answer.ends_with(&format!("\r\n\r\n{name}")), "{host}: {answer:?}");
    }
    let chunked =
        format!("POST {hello} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\nConnection: close\r\n\r\n0\r\n\r\n");
    assert_eq!(status(&raw(server.address(), &chunked)), "200");
}

/// W10, W12
#[test]
fn the_status_is_what_the_script_says_in_any_way() {
    let server = server();
    let cases = [
        ("header('Status: 404 Not Found'); echo 'text';", "HTTP/1.1 404 Not Found\r\n", "text"),
        ("header('Status: 404'); echo 'text';", "HTTP/1.1 404 Not Found\r\n", "text"),
        ("header('HTTP/1.1 404 Nothing Here'); echo 'text';", "HTTP/1.1 404 Nothing Here\r\n", "text"),
        ("header('HTTP/1.0 299 Odd'); echo 'text';", "HTTP/1.1 299 Odd\r\n", "text"),
        ("http_response_code(600); echo 'text';", "HTTP/1.1 600 \r\n", "text"),
        ("header('HTTP/1.1 404 Gone'); http_response_code(410); echo 'text';", "HTTP/1.1 410 Gone\r\n", "text"),
        ("http_response_code(205); echo 'text';", "HTTP/1.1 205 Reset Content\r\n", "\r\n\r\n"),
        ("header('Content-Type:'); echo 'text';", "HTTP/1.1 200 OK\r\n", "text"),
    ];
    for script in SCRIPTS {
        for (code, line, end) in cases {
            let answer = answer(&server, script, code);
            assert!(answer.starts_with(line) && answer.ends_with(end), "{script} {code}: {answer:?}");
            assert!(!answer.contains("\r\nStatus:") && !answer.contains("Content-Type: \r\n"), "{answer:?}");
        }
    }
}

/// W13
#[test]
fn the_variables_of_cgi_are_there_when_they_are_empty() {
    let server = server();
    let code = "echo json_encode(array_map(fn ($name) => $_SERVER[$name] ?? null, ['CONTENT_TYPE', 'CONTENT_LENGTH', 'PATH_INFO', 'DOCUMENT_URI']));";
    for script in SCRIPTS {
        let target = target(script, code);
        let uri = format!("/{script}");
        assert_eq!(server.get(&target).json(), json!(["", "", "", uri]));
        let request = Request::post(&target, "12345").header("content-type", "text/plain");
        assert_eq!(server.send(&request).json(), json!(["text/plain", "5", "", uri]));
        assert_eq!(server.send(&request.chunked()).json(), json!(["text/plain", "5", "", uri]));
        let with_info = target.replace("?", "/a/b?");
        assert_eq!(server.get(&with_info).json(), json!(["", "", "/a/b", uri]));
    }
}

/// W15, D15: each line of the trace used to be a record, 37,700 in total.
#[test]
fn a_runaway_recursion_is_one_record() {
    let server = server();
    let code = "function f($n) { if ($n > 20000) throw new Exception('too deep'); f($n + 1); } f(0);";
    assert_eq!(server.get(&target("run.php", code)).status, 500);
    let of_exception = |line: &str| line.contains("too deep") || line.contains("f(") || line.contains("{main}");
    server.wait_log(&["too deep", "#0 ", "more lines", "{main}"]);
    let lines = server.log.text().lines().filter(|line| of_exception(line)).count();
    assert_eq!(lines, 1, "{}", server.log.text());
}

/// Recursion through an internal function uses the C stack, which PHP guards since 8.3: before, it ends the process.
#[test]
fn an_overflow_of_the_c_stack_is_one_record() {
    let server = server();
    if server.get(&target("run.php", "echo PHP_VERSION_ID;")).text().parse::<u32>().expect("a number") < 80300 {
        return;
    }
    let code = "class A { function __get($n) { return array_map(fn () => (new A)->x, [1]); } } (new A)->x;";
    assert_eq!(server.get(&target("run.php", code)).status, 500);
    server.wait_log(&["Maximum call stack size", "#0 ", "more lines", "{main}"]);
    let lines = server.log.text().lines().filter(|line| line.contains(" php:") || line.contains("{main}")).count();
    assert!(lines <= 2, "{lines} lines");
}

/// W16: they used to block all others for ten seconds.
#[test]
fn idle_connections_do_not_block_the_admin_interface() {
    let server = Igor::new().admin().site("respond ok").start();
    let address = server.admin_address();
    let idle: Vec<Connection> = (0..200).map(|_| Connection::open(address)).collect();
    let started = Instant::now();
    for _ in 0..3 {
        assert_eq!(server.ask_admin(&Request::get("/frankenphp/threads")).status, 200);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(idle);
}

/// W14: it got no answer.
#[test]
fn a_client_that_closes_its_sending_side_is_answered() {
    let server = server();
    let slow = "usleep(300000); echo 'done';";
    let streamed = "echo 'one'; flush(); usleep(300000); echo str_repeat('x', 100000); flush(); echo 'done';";
    for script in SCRIPTS {
        for code in [slow, streamed] {
            for body in
                ["GET {} HTTP/1.1\r\nHost: a\r\n\r\n", "POST {} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1"]
            {
                let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
                stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
                stream.write_all(body.replace("{}", &target(script, code)).as_bytes()).expect("the server takes it");
                stream.shutdown(Shutdown::Write).expect("it can be shut down");
                let started = Instant::now();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("an answer, and an end");
                let end = if code == slow { "done" } else { "done\r\n0\r\n\r\n" };
                assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(end), "{script} {code}: {answer:?}");
                assert!(started.elapsed() < Duration::from_secs(20), "the connection is not kept open");
            }
        }
    }
}

/// W17: what was refused unread was in no log, there was no user agent and no referrer, and an IPv4 client was written as IPv6.
#[test]
fn the_access_log_holds_refused_requests_and_who_sent_them() {
    let log = "log {\noutput file {$DIR}/access.log\nformat json\n}";
    let server = Igor::new()
        .file("run.php", "<?php echo 1;")
        // Clients of IPv4 are mapped addresses on a socket like this.
        .raw_site(&format!("http://:0 {{\nbind ::ffff:127.0.0.1\n{log}\nroot {{$DIR}}\nphp_server\n}}\n"))
        .start();
    let long = "x".repeat(200_000);
    let rest = "User-Agent: probe/1\r\nReferer: http://b.test/?token=secret\r\nConnection: close\r\n\r\n";
    assert!(server.address().is_ipv6(), "the socket would write addresses in their short form by itself");
    // The request, its status, method, URI, handler, and whether the head was read.
    let cases = [
        (format!("GET /run.php?q=1 HTTP/1.1\r\nHost: a\r\n{rest}"), 200, "GET", "/run.php?q=1", "php", true),
        (format!("GET / HTTP/1.1\r\nHost: a:bc\r\n{rest}"), 400, "GET", "/", "", true),
        (format!("TRACE /x HTTP/1.1\r\nHost: a\r\n{rest}"), 405, "TRACE", "/x", "", true),
        (
            format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n{rest}"),
            501,
            "POST",
            "/",
            "",
            true,
        ),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nno field\r\n{rest}"), 400, "-", "-", "unreadable", false),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n{rest}"), 431, "-", "-", "unreadable", false),
    ];
    for (number, (request, status_code, method, uri, handler, is_read)) in cases.iter().enumerate() {
        let answer = raw(server.address(), request);
        assert_eq!(status(&answer), status_code.to_string(), "{answer}");
        let mut records = Vec::new();
        wait_until("the record", || {
            let text = std::fs::read_to_string(server.path("access.log")).unwrap_or_default();
            records = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).collect();
            records.len() > number
        });
        let record = &records[number];
        let sent = &record["request"];
        assert_eq!((&record["status"], &record["handler"]), (&json!(status_code), &json!(handler)), "{record}");
        assert_eq!((&sent["method"], &sent["uri"]), (&json!(method), &json!(uri)), "{record}");
        assert_eq!((&sent["remote_ip"], &sent["client_ip"]), (&json!("127.0.0.1"), &json!("127.0.0.1")), "{record}");
        assert_eq!(records.len(), number + 1, "one record for each");
        if *is_read {
            assert_eq!(sent["headers"]["User-Agent"], json!(["probe/1"]), "{record}");
            assert_eq!(sent["headers"]["Referer"], json!(["http://b.test/?token=REDACTED"]), "{record}");
        }
    }
}

/// S4: controls of C1, and the marks of Unicode that end a line or turn its direction, came into each log as they were.
#[test]
fn what_a_client_sends_is_escaped_in_every_log() {
    let marks: String = ['\u{85}', '\u{9b}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202e}', '\u{2066}', '\u{feff}']
        .into_iter()
        .collect();
    let log = |name: &str, lines: &str| (name.to_owned(), format!("log {{\n{lines}\n}}\nroot {{$DIR}}\nphp_server"));
    let sites = [
        log("text.test", "output file {$DIR}/text.log\nformat console"),
        log("json.test", "output file {$DIR}/json.log\nformat json"),
        log("main.test", "output stderr"),
    ];
    let hosts: Vec<(&str, &str)> = sites.iter().map(|(host, lines)| (host.as_str(), lines.as_str())).collect();
    let server =
        Igor::new().file("log.php", "<?php error_log('said ' . $_SERVER['HTTP_USER_AGENT']);").hosts(&hosts).start();
    for (host, _) in hosts {
        let answer = raw(
            server.address(),
            &format!(
                "GET /log.php/x{marks}y?x{marks}y HTTP/1.1\r\nHost: {host}\r\nUser-Agent: x{marks}y\r\n\
                 Referer: http://a.test/x{marks}y\r\nConnection: close\r\n\r\n"
            ),
        );
        assert_eq!(status(&answer), "200", "{host}: {answer:?}");
    }
    let file = |name: &str| std::fs::read_to_string(server.path(name)).unwrap_or_default();
    wait_until("the records", || {
        let log = server.log.text();
        let records = [file("text.log"), file("json.log")].iter().all(|text| text.contains("log.php"));
        records && log.contains("log.php") && log.matches("said x").count() == 3
    });
    for text in [file("text.log"), file("json.log"), server.log.text()] {
        assert!(!text.contains(|letter| marks.contains(letter)), "{}", text.escape_unicode());
        assert!(text.contains("2028"), "what was sent is seen: {text}");
    }
}

/// The page of a failure used to be partial (206) or empty (304, 412, 405) if the request's headers asked for that.
#[test]
fn the_page_of_a_failure_is_whole_whatever_the_request_says_of_parts_versions_and_its_method() {
    let server = Igor::new()
        .file("page.html", "0123456789")
        .file("closed.html", "closed")
        .site(
            "root {$DIR}\nhandle /closed.html {\nfile_server {\nstatus 503\n}\n}\nhandle {\nfile_server\n}\n\
             handle_errors {\nrewrite * /page.html\nfile_server\n}",
        )
        .start();
    let usual = server.get("/page.html");
    let tag = usual.header("etag").expect("a tag").to_owned();
    let date = usual.header("last-modified").expect("a date").to_owned();
    for (name, value) in [
        ("Range", "bytes=0-1"),
        ("Range", "bytes=0-1,3-4"),
        ("Range", "bytes=50-"),
        ("If-None-Match", tag.as_str()),
        ("If-None-Match", "*"),
        ("If-Match", "\"other\""),
        ("If-Modified-Since", date.as_str()),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ] {
        let page = server.send(&Request::get("/none").header(name, value));
        assert_eq!((page.status, page.text().as_str()), (404, "0123456789"), "{name}: {value}");
        assert_eq!(page.header("content-range"), None, "{name}: {value}");
        let closed = server.send(&Request::get("/closed.html").header(name, value));
        assert_eq!((closed.status, closed.text().as_str()), (503, "closed"), "{name}: {value}");
    }
    let page = server.send(&Request::post("/none", "a=1"));
    assert_eq!((page.status, page.text().as_str()), (404, "0123456789"));
    let part = server.send(&Request::get("/page.html").header("Range", "bytes=0-1"));
    assert_eq!((part.status, part.text().as_str()), (206, "01"), "a file that was asked for");
}

#[test]
fn a_head_has_its_largest_size() {
    let server = Igor::new().global("servers {\nmax_header_size 2KiB\n}").site("respond ok").start();
    let with = |bytes: usize| server.send(&Request::get("/").header("X-Long", &"x".repeat(bytes))).status;
    assert_eq!((with(1000), with(3000)), (200, 431));
}
