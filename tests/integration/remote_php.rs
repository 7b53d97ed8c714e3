//! PHP in another process: `transport fastcgi` of `reverse_proxy`, and `php_fastcgi` with an address that answers.

use crate::common::{DEADLINE, Igor, Request, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

const STDOUT: u8 = 6;
const STDERR: u8 = 7;
const END: u8 = 3;

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a record's content").to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
}

fn end(status: u8) -> Vec<u8> {
    record(END, &[0, 0, 0, 0, status, 0, 0, 0])
}

/// A whole response.
fn response(text: &str) -> Vec<u8> {
    [record(STDOUT, text.as_bytes()), record(STDOUT, b""), end(0)].concat()
}

/// A FastCGI server that does what `act` says with each connection. It ends with the test.
fn upstream(act: impl Fn(&mut TcpStream) + Copy + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || act(&mut stream));
        }
    });
    address
}

/// Reads the request to its end; returns the bytes of its body.
fn read_request(stream: &mut TcpStream) -> usize {
    const STDIN: u8 = 5;
    let mut body = 0;
    loop {
        let mut header = [0; 8];
        if stream.read_exact(&mut header).is_err() {
            return body;
        }
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]])) + usize::from(header[6])];
        if stream.read_exact(&mut content).is_err() || header[1] == STDIN && content.is_empty() {
            return body;
        }
        if header[1] == STDIN {
            body += content.len();
        }
    }
}

/// Answers every request in this way, once it was read.
fn answering(bytes: Vec<u8>) -> SocketAddr {
    let bytes: &'static [u8] = bytes.leak();
    upstream(move |stream| {
        read_request(stream);
        // The server ignores errors of a disconnected client.
        let _ = stream.write_all(bytes);
    })
}

/// An igor that runs scripts for web servers in front.
fn php(igor: Igor) -> Server {
    igor.raw_site("fastcgi://127.0.0.1:0 {\nphp {\nenv WHERE there\n}\n}\n").start()
}

const SHOW: &str = r#"<?php
    http_response_code((int) ($_GET['status'] ?? 200));
    header('X-Method: ' . $_SERVER['REQUEST_METHOD']);
    foreach (explode(',', $_GET['show'] ?? 'SCRIPT_NAME') as $name) {
        echo $name, '=', $_SERVER[$name] ?? 'none', ';';
    }
    echo file_get_contents('php://input');"#;

#[test]
fn scripts_run_in_another_process() {
    let there = php(Igor::new().file("app/show.php", SHOW));
    let (root, address) = (there.path("app").display().to_string(), there.address());
    let server = Igor::new()
        .site(&format!(
            "reverse_proxy {address} {{\nheader_up X-Up yes\nheader_down X-Down {{method}}\n\
             transport fastcgi {{\nroot {root}\nsplit .php\nenv OWN {{method}}\nenv LONG {}\n}}\n}}",
            "x".repeat(300)
        ))
        .start();
    let shown = server.get("/show.php/more/info?show=WHERE,OWN,SCRIPT_NAME,PATH_INFO,DOCUMENT_ROOT,REQUEST_URI,HTTP_X_UP,HTTP_X_FORWARDED_FOR,REMOTE_ADDR,HTTPS");
    assert_eq!(
        shown.text(),
        format!(
            "WHERE=there;OWN=GET;SCRIPT_NAME=/show.php;PATH_INFO=/more/info;DOCUMENT_ROOT={root};REQUEST_URI=/show.php/more/\
             info?show=WHERE,OWN,SCRIPT_NAME,PATH_INFO,DOCUMENT_ROOT,REQUEST_URI,HTTP_X_UP,HTTP_X_FORWARDED_FOR,REMOTE_ADDR,HTTPS;\
             HTTP_X_UP=yes;HTTP_X_FORWARDED_FOR=127.0.0.1;REMOTE_ADDR=127.0.0.1;HTTPS=none;"
        )
    );
    assert_eq!((shown.header("x-method"), shown.header("x-down")), (Some("GET"), Some("GET")));
    assert_eq!(server.get("/show.php?show=LONG").text(), format!("LONG={};", "x".repeat(300)));
    let posted = server.send(&Request::post("/show.php?status=201&show=CONTENT_LENGTH", "a body"));
    assert_eq!((posted.status, posted.text()), (201, "CONTENT_LENGTH=6;a body".to_owned()));
    assert_eq!(server.get("/none.php").status, 404);
    let large = "y".repeat(3 << 20);
    let echoed = server.send(&Request::post("/show.php", large.as_bytes()));
    assert!(echoed.text().ends_with(&large), "{} bytes", echoed.text().len());
    let mut connection = server.connect();
    for _ in 0..2 {
        connection.write(&Request::new("HEAD", "/show.php"));
        assert_eq!(connection.read_head().status, 200, "a connection stays usable");
    }
}

/// A PHP takes a body without a length for an empty one.
#[test]
fn a_body_without_a_length_gets_one() {
    let there = php(Igor::new().file("show.php", SHOW));
    let (root, address) = (there.dir().display().to_string(), there.address());
    let server =
        Igor::new().site(&format!("reverse_proxy {address} {{\ntransport fastcgi {{\nroot {root}\n}}\n}}")).start();
    let chunked = |pieces: usize| {
        let piece = format!("1000\r\n{}\r\n", "z".repeat(0x1000));
        let head = "POST /show.php?show=CONTENT_LENGTH HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut client = TcpStream::connect(server.address()).expect("it listens");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket");
        client.write_all(format!("{head}{}0\r\n\r\n", piece.repeat(pieces)).as_bytes()).expect("it is taken");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("an answer");
        text
    };
    let small = chunked(2);
    assert!(small.starts_with("HTTP/1.1 200 ") && small.contains("CONTENT_LENGTH=8192;zzz"), "{small}");
    let large = chunked(65);
    assert!(large.starts_with("HTTP/1.1 411 "), "{large}");
}

#[test]
fn php_fastcgi_asks_a_server_that_answers() {
    let files = |igor: Igor| {
        igor.file("public/index.php", SHOW)
            .file("public/dir/index.php", SHOW)
            .file("public/dir/show.php", SHOW)
            .file("public/text.txt", "a text")
    };
    let there = php(files(Igor::new()));
    let root = there.path("public").display().to_string();
    for (address, place) in [(there.address().to_string(), "there"), (format!("unix/{root}/none.sock"), "none")] {
        let server = Igor::new().site(&format!("root {root}\nphp_fastcgi {address}\nfile_server")).start();
        let found = if place == "there" { "answers, and runs the scripts" } else { "the scripts run in this process" };
        server.wait_log(&["php_fastcgi", found, &address]);
        for (path, script, info) in [
            ("/", "/index.php", ""),
            ("/dir/", "/dir/index.php", ""),
            ("/dir/show.php", "/dir/show.php", ""),
            ("/dir/show.php/more", "/dir/show.php", "/more"),
            ("/pretty/url", "/index.php", ""),
        ] {
            let shown = server.get(&format!("{path}?show=WHERE,SCRIPT_NAME,PATH_INFO")).text();
            assert_eq!(shown, format!("WHERE={place};SCRIPT_NAME={script};PATH_INFO={info};"), "{path}");
        }
        let directory = server.get("/dir?a=b");
        assert_eq!((directory.status, directory.header("location")), (308, Some("/dir/?a=b")));
        assert_eq!(server.get("/text.txt").text(), "a text");
    }
}

/// The other process may see the files at another place, and a reload finds it when it has come.
#[test]
fn php_fastcgi_with_a_root_that_is_not_here() {
    let there = php(Igor::new().file("public/index.php", SHOW));
    let (here, address) = (Igor::new().file("public/index.php", "<?php echo 'here';"), there.address());
    let far = there.path("public").display().to_string();
    let server = here
        .site(&format!(
            "root {{$DIR}}/public\nphp_fastcgi {address} {{\nroot {far}\nenv OWN {{host}}\nread_timeout 30s\nlb_policy first\n}}"
        ))
        .start();
    let shown = server.get("/?show=WHERE,OWN,DOCUMENT_ROOT").text();
    assert_eq!(shown, format!("WHERE=there;OWN=127.0.0.1;DOCUMENT_ROOT={far};"));
}

#[test]
fn what_a_fastcgi_server_does_wrong_has_its_status_and_is_logged() {
    let head = |text: &str| answering(response(text)).to_string();
    let endless_head = upstream(|stream| {
        let line = record(STDOUT, format!("X-Long: {}\r\n", "x".repeat(60_000)).as_bytes());
        while stream.write_all(&line).is_ok() {}
    });
    let hangs = upstream(|stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let reads_nothing = upstream(|_| thread::sleep(DEADLINE));
    let cases = [
        ("refused", "unix//none/php.sock".to_owned(), 502, "connecting"),
        ("resets", upstream(|_| {}).to_string(), 502, ""),
        ("http", answering(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()).to_string(), 502, "not FastCGI"),
        ("no-head", head(""), 502, "before its head did"),
        ("bad-head", head("no field\r\n\r\n"), 502, "no header field"),
        ("bad-status", head("Status: 101 Switching\r\n\r\n"), 502, "no status"),
        ("overloaded", answering(end(2)).to_string(), 502, "the FastCGI status 2"),
        ("endless-head", endless_head.to_string(), 502, "a head of more than"),
        ("hangs", hangs.to_string(), 504, "no answer within 100 ms"),
        ("reads-nothing", reads_nothing.to_string(), 504, "no answer within 100 ms"),
    ];
    let site = cases.each_ref().map(|(name, address, status, _)| {
        // The others have as much time as a loaded machine takes.
        let limits = if *status == 504 { "read_timeout 100ms\nwrite_timeout 100ms\n" } else { "" };
        format!("reverse_proxy /{name} {address} {{\ntransport fastcgi {{\n{limits}}}\n}}")
    });
    let server = Igor::new().site(&site.join("\n")).start();
    for (name, address, status, reason) in cases {
        if name == "reads-nothing" {
            // More than the buffers of the sockets hold; the server closes the connection before it has read all.
            let mut client = TcpStream::connect(server.address()).expect("it listens");
            let head = format!("POST /{name} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", 16 << 20);
            client.write_all(head.as_bytes()).expect("it is taken");
            let _ = client.write_all(&vec![b'x'; 16 << 20]);
        } else {
            assert_eq!(server.get(&format!("/{name}")).status, status, "{name}");
        }
        server.wait_log(&["proxying", &address, reason]);
    }
}

#[test]
fn a_response_has_the_length_that_it_announces() {
    let half = answering([record(STDOUT, b"Content-Length: 100\r\n\r\nhalf"), end(0)].concat());
    let more = answering(response("Content-Length: 4\r\n\r\nmore than four"));
    let broken = answering(record(STDOUT, b"X: 1\r\n\r\nhalf"));
    let two = answering(response("Content-Length: 4\r\nContent-Length: 5\r\n\r\nwhole"));
    let server = Igor::new()
        .site(
            &[("half", half), ("more", more), ("broken", broken), ("two", two)]
                .map(|(name, address)| format!("reverse_proxy /{name} {address} {{\ntransport fastcgi\n}}"))
                .join("\n"),
        )
        .start();
    for (path, address) in [("/half", half), ("/broken", broken)] {
        let mut connection = server.connect();
        connection.write(&Request::get(path));
        let head = connection.read_head();
        assert!(connection.read_body(&head).is_err(), "half a response ended well");
        server.wait_log(&["broke off", &address.to_string()]);
    }
    let mut connection = server.connect();
    for _ in 0..2 {
        assert_eq!(connection.send(&Request::get("/more")).text(), "more", "nothing is left for the next response");
    }
    assert_eq!(connection.send(&Request::get("/two")).text(), "whole");
}

#[test]
fn what_scripts_write_to_their_error_output_is_logged_if_wanted() {
    let noisy = |status: &str| {
        let error = record(STDERR, b"PHP message: something\nis wrong\n");
        answering([error, response(&format!("Status: {status}\r\n\r\n"))].concat())
    };
    let (fine, failed) = (noisy("200"), noisy("500"));
    let server = Igor::new()
        .site(&format!(
            "reverse_proxy /fine {fine} {{\ntransport fastcgi {{\ncapture_stderr\n}}\n}}\n\
             reverse_proxy /failed {failed} {{\ntransport fastcgi {{\ncapture_stderr\n}}\n}}\n\
             reverse_proxy {fine} {{\ntransport fastcgi\n}}"
        ))
        .start();
    assert_eq!((server.get("/fine").status, server.get("/failed").status, server.get("/").status), (200, 500, 200));
    server.wait_log(&["WARN", "PHP message: something is wrong"]);
    server.wait_log(&["ERROR", "PHP message: something is wrong"]);
    let log = server.stop().log;
    assert_eq!(log.matches("PHP message").count(), 2, "{log}");
}

/// Memory does not grow with a body, in either direction.
#[test]
fn large_bodies_pass_in_little_memory() {
    const LARGE: usize = 1 << 28;
    const MEMORY_MAX: usize = 64 << 20;
    let address = upstream(|stream| {
        let body = read_request(stream);
        if body > 0 {
            let _ = stream.write_all(&response(&format!("X: 1\r\n\r\n{body}")));
            return;
        }
        let piece = record(STDOUT, &[b'x'; 1 << 15]).repeat(32);
        let _ = stream.write_all(&record(STDOUT, b"X: 1\r\n\r\n"));
        for _ in 0..LARGE >> 20 {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
        let _ = stream.write_all(&end(0));
    });
    let server = Igor::new().site(&format!("reverse_proxy {address} {{\ntransport fastcgi\n}}")).start();
    assert_eq!(server.send(&Request::post("/", "warm")).text(), "4");
    let before = server.resident_bytes();
    let exchange = |head: String, upload: usize| {
        let mut client = TcpStream::connect(server.address()).expect("it listens");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket");
        client.write_all(format!("{head}Host: a\r\nConnection: close\r\n\r\n").as_bytes()).expect("it is taken");
        let mut buffer = vec![b'u'; 1 << 20];
        for _ in 0..upload >> 20 {
            client.write_all(&buffer).expect("it is taken");
        }
        let (mut taken, mut last) = (0, Vec::new());
        while let count @ 1.. = client.read(&mut buffer).expect("the response goes on") {
            taken += count;
            last = buffer[..count].to_vec();
        }
        let grown = server.growth_since(before);
        assert!(grown < MEMORY_MAX, "{grown} bytes more");
        (taken, String::from_utf8_lossy(&last).into_owned())
    };
    let (taken, _) = exchange("GET / HTTP/1.1\r\n".to_owned(), 0);
    assert!(taken > LARGE, "{taken} bytes");
    let (_, text) = exchange(format!("POST / HTTP/1.1\r\nContent-Length: {LARGE}\r\n"), LARGE);
    assert!(text.contains(&LARGE.to_string()), "{text}");
}
