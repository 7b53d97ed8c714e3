//! `reverse_proxy`, `forward_auth` and `intercept`, with working and failing upstreams.

use crate::common::{DEADLINE, Igor, Request, Server, free_address};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::{fs, thread};

/// A connection of an upstream, after the head of a request.
type Act<S> = fn(&mut S, &str);

fn serve_one<S: Read + Write>(mut stream: S, act: Act<S>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    act(&mut stream, &String::from_utf8_lossy(&head));
}

/// An upstream; `act` answers one request of each connection. It ends with the test.
fn upstream(act: Act<TcpStream>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve_one(stream, act));
        }
    });
    address
}

fn answer(stream: &mut impl Write, head: &str, body: &str) {
    let length = body.len();
    let text = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    // The upstream ignores errors of a disconnected client.
    let _ = stream.write_all(text.as_bytes());
}

fn echo(stream: &mut impl Write, head: &str) {
    answer(stream, "200 OK\r\nX-Internal: 1\r\nX-Kept: 2", head);
}

/// Waits until the other side has closed.
fn drain(stream: &mut TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn the_request_reaches_the_upstream_with_its_origin() {
    let address = upstream(echo);
    let server = Igor::new()
        .site(&format!(
            "reverse_proxy /a/* {address} {{\nheader_up X-Up \"{{method}} {{upstream_hostport}}\"\nheader_up -X-Secret\n\
             header_up X-Own \"{{http.reverse_proxy.upstream.host}} {{http.reverse_proxy.upstream.port}}\"\n\
             header_down -X-Internal\nheader_down X-Down {{uri}}\n}}\n\
             reverse_proxy {address} {{\nmethod GET\nrewrite /other{{uri}}\ntrusted_proxies 127.0.0.1\n}}"
        ))
        .start();
    let forged = |target: &str| {
        Request::post(target, "body")
            .header("Host", "a.test")
            .header("X-Forwarded-For", "6.6.6.6")
            .header("X-Secret", "s")
    };
    let response = server.send(&forged("/a/b?c=%20d"));
    let head = response.text().to_ascii_lowercase();
    assert_eq!(response.status, 200);
    assert!(head.starts_with("post /a/b?c=%20d http/1.1\r\n"), "{head}");
    for line in [
        "host: a.test",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-host: a.test",
        "x-forwarded-proto: http",
        &format!("x-up: post {address}"),
        &format!("x-own: {} {}", address.ip(), address.port()),
        "content-length: 4",
    ] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{line} in {head}");
    }
    assert!(!head.contains("x-secret"), "{head}");
    assert_eq!(response.header("x-internal"), None);
    assert_eq!((response.header("x-kept"), response.header("x-down")), (Some("2"), Some("/a/b?c=%20d")));

    let response = server.send(&forged("/b?c"));
    let head = response.text().to_ascii_lowercase();
    assert!(head.starts_with("get /other/b?c http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nx-forwarded-for: 6.6.6.6, 127.0.0.1\r\n"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
}

#[test]
fn an_upstream_behind_a_unix_socket() {
    let igor = Igor::new();
    let path = igor.path("app.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| serve_one(stream, echo)));
    let server = igor.site("reverse_proxy unix/{$DIR}/app.sock").start();
    assert!(server.get("/page").text().starts_with("GET /page HTTP/1.1\r\n"));
}

#[test]
fn some_ports_are_reached_without_encryption() {
    let plain = upstream(|stream, _| answer(stream, "200 OK", "plain"));
    let other = upstream(|stream, _| answer(stream, "200 OK", "never"));
    let transport = format!("transport http {{\ntls_insecure_skip_verify\ntls_except_ports 1 {}\n}}", plain.port());
    let site = format!("reverse_proxy /other {other} {{\n{transport}\n}}\nreverse_proxy {plain} {{\n{transport}\n}}");
    let server = Igor::new().site(&site).start();
    assert_eq!(server.get("/").text(), "plain");
    assert_eq!(server.get("/other").status, 502, "a handshake with a server that has no encryption");
}

#[test]
fn what_an_upstream_does_wrong_has_its_status_and_is_logged() {
    let refused = free_address();
    let resets = upstream(|_, _| {});
    let hangs = upstream(|stream, _| drain(stream));
    let half = upstream(|stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    let good = upstream(echo);
    let server = Igor::new()
        .site(&format!(
            "reverse_proxy /refused {refused}\nreverse_proxy /resets {resets}\n\
             reverse_proxy /hangs {hangs} {{\ntransport http {{\nresponse_header_timeout 50ms\n}}\n}}\n\
             reverse_proxy /half {half}\n\
             reverse_proxy /out {refused} {{\nfail_duration 1m\n}}\n\
             reverse_proxy /over {refused} {good} {{\nlb_policy first\nfail_duration 1m\nlb_retries 3\nlb_try_interval 1ms\n}}\n\
             handle_errors 504 {{\nrespond \"late: {{err.status_code}}\"\n}}"
        ))
        .start();
    for (path, status, address) in [("/refused", 502, refused), ("/resets", 502, resets), ("/hangs", 504, hangs)] {
        assert_eq!(server.get(path).status, status, "{path}");
        server.wait_log(&["proxying", &address.to_string()]);
    }
    assert_eq!(server.get("/hangs").text(), "late: 504");
    let mut connection = server.connect();
    connection.write(&Request::get("/half"));
    let head = connection.read_head();
    assert_eq!((head.status, head.header("content-length")), (200, Some("100")));
    assert!(connection.read_body(&head).is_err(), "half a response ended well");
    server.wait_log(&["broke off", &half.to_string()]);
    assert_eq!(server.get("/out").status, 502);
    assert_eq!(server.get("/out").status, 503, "it is left out for a minute");
    server.wait_log(&["no upstream is available", &refused.to_string()]);
    assert_eq!(server.get("/over").status, 200);
}

/// A connection of its own, on which this head was sent.
fn ask(server: &Server, head: &str) -> TcpStream {
    let mut client = TcpStream::connect(server.address()).expect("it listens");
    client.set_read_timeout(Some(DEADLINE)).expect("a socket");
    client.write_all(head.as_bytes()).expect("it is taken");
    client
}

/// Memory does not grow with a body, in either direction.
#[test]
fn a_large_body_passes_in_little_memory() {
    const LARGE: usize = 1 << 30;
    const MEMORY_MAX: usize = 64 << 20;
    let sends = upstream(|stream, head| {
        if !head.starts_with("GET /large ") {
            return answer(stream, "200 OK", "small");
        }
        let piece = vec![b'x'; 1 << 20];
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n").as_bytes());
        for _ in 0..LARGE / piece.len() {
            if stream.write_all(&piece).is_err() {
                return;
            }
        }
    });
    let server = Igor::new().site(&format!("reverse_proxy {sends}")).start();
    assert!(server.get("/").status == 200, "the first one warms up");
    let before = server.resident_bytes();
    let mut client = ask(&server, "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (mut taken, mut buffer) = (0, vec![0; 1 << 20]);
    while let count @ 1.. = client.read(&mut buffer).expect("the response goes on") {
        taken += count;
        if taken % (64 << 20) < count {
            let grown = server.growth_since(before);
            assert!(grown < MEMORY_MAX, "{grown} bytes more after {taken}");
        }
    }
    assert!(taken > LARGE, "{taken} bytes");
}

#[test]
fn a_websocket_passes() {
    let address = upstream(|stream, head| {
        let lower = head.to_ascii_lowercase();
        if !lower.contains("\r\nupgrade: websocket\r\n") || !lower.contains("\r\nconnection: upgrade\r\n") {
            return answer(stream, "400 Bad Request", head);
        }
        let _ = stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello ");
        let mut bytes = [0; 5];
        while stream.read_exact(&mut bytes).is_ok() {
            let _ = stream.write_all(&bytes);
        }
    });
    let server = Igor::new().site(&format!("reverse_proxy {address}")).start();
    let head = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut client = ask(&server, head);
    let mut seen = Vec::new();
    let mut byte = [0];
    while !seen.ends_with(b"\r\n\r\nhello ") {
        assert_eq!(client.read(&mut byte).expect("the response comes"), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
    }
    assert!(seen.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&seen));
    for message in [b"first", b"other"] {
        client.write_all(message).expect("it is taken");
        let mut back = [0; 5];
        client.read_exact(&mut back).expect("an echo");
        assert_eq!(back, *message);
    }
    drop(client);
    assert_eq!(server.get("/").status, 400, "other requests pass beside it");
}

#[test]
fn responses_can_be_replaced() {
    let address = upstream(|stream, head| match head.split(' ').nth(1) {
        Some("/gone") => answer(stream, "410 Gone\r\nX-Reason: moved", "gone"),
        Some("/missing") => answer(stream, "404 Not Found", "missing"),
        Some("/broken") => answer(stream, "500 Internal Server Error", "broken"),
        _ => echo(stream, head),
    });
    let server = Igor::new()
        .file("missing.txt", "a page of its own")
        .site(&format!(
            "root {{$DIR}}\nreverse_proxy {address} {{\n@gone status 410\nreplace_status @gone 404\n\
             @missing status 404\nhandle_response @missing {{\nrewrite /missing.txt\nfile_server\n}}\n\
             @broken {{\nstatus 5xx\n}}\n\
             handle_response @broken {{\nheader X-Was {{rp.status_code}}\ncopy_response 503\n}}\n}}"
        ))
        .start();
    let seen = |path: &str| {
        let response = server.get(path);
        (response.status, response.text())
    };
    assert_eq!(seen("/gone"), (404, "gone".to_owned()));
    assert_eq!(seen("/missing"), (200, "a page of its own".to_owned()));
    assert_eq!(seen("/broken"), (503, "broken".to_owned()));
    assert_eq!(server.get("/broken").header("x-was"), Some("500"));
    assert_eq!(server.get("/fine").status, 200);
}

#[test]
fn another_server_decides_who_may_pass() {
    let address = upstream(|stream, head| {
        let lower = head.to_ascii_lowercase();
        let asked = lower.starts_with("get /verify?for=1 ")
            && lower.contains("\r\nx-forwarded-method: post\r\n")
            && lower.contains("\r\nx-forwarded-uri: /page.php?a=b\r\n");
        if asked && lower.contains("\r\ncookie: session=1\r\n") {
            answer(stream, "200 OK\r\nRemote-User: ada", "fine");
        } else {
            answer(stream, "302 Found\r\nLocation: /login", head);
        }
    });
    let server = Igor::new()
        .file("page.php", "<?php echo $_SERVER['HTTP_REMOTE_USER'] ?? 'none', ' ', $_SERVER['HTTP_X_USER'] ?? 'none', ' ', $_SERVER['HTTP_X_GROUP'] ?? 'none', ' ', file_get_contents('php://input');")
        .site(&format!(
            "root {{$DIR}}\nforward_auth {address} {{\nuri /verify?for=1\ncopy_headers Remote-User Remote-User>X-User Remote-Group>X-Group\n}}\nphp_server"
        ))
        .start();
    let ask = Request::post("/page.php?a=b", "body").header("Remote-User", "forged").header("X-Group", "forged");
    let refused = server.send(&ask);
    assert_eq!((refused.status, refused.header("location")), (302, Some("/login")));
    let passed = server.send(&ask.header("Cookie", "session=1"));
    assert_eq!((passed.status, passed.text()), (200, "ada ada none body".to_owned()));
}

#[test]
fn a_script_lets_the_server_send_a_file() {
    let server = Igor::new()
        .file("private/report.txt", "the report")
        .file("public/accel.php", "<?php header('Content-Type: text/x-report'); header('X-Accel-Redirect: ' . $_GET['file']); header('X-More: 1'); echo 'unseen';")
        .file("public/send.php", "<?php header('X-Sendfile: ' . $_GET['file']);")
        .file("public/bad.php", "<?php http_response_code(418); echo 'a teapot';")
        .file("public/fine.php", "<?php echo 'fine';")
        .site(
            "root {$DIR}/public\nintercept {\n@accel header X-Accel-Redirect *\n@send header X-Sendfile *\n@teapot status 418\n\
             handle_response @accel {\nroot {$DIR}/private\nrewrite {resp.header.X-Accel-Redirect}\nmethod * GET\n\
             header -X-Accel-Redirect\nfile_server\n}\n\
             handle_response @send {\nroot /\nrewrite {resp.header.X-Sendfile}\nmethod * GET\nheader -X-Sendfile\nfile_server\n}\n\
             replace_status @teapot 404\n}\nphp_server",
        )
        .start();
    let sent = server.send(&Request::post("/accel.php?file=/report.txt", "x"));
    assert_eq!((sent.status, sent.text()), (200, "the report".to_owned()));
    assert_eq!((sent.header("x-accel-redirect"), sent.header("x-more")), (None, Some("1")));
    assert!(
        sent.header("content-type").is_some_and(|kind| kind.starts_with("text/x-report")),
        "{:?}",
        sent.header("content-type")
    );
    assert_eq!(sent.header("content-length"), Some("10"));
    let part = server.send(&Request::get("/accel.php?file=/report.txt").header("Range", "bytes=4-5"));
    assert_eq!((part.status, part.text()), (206, "re".to_owned()));
    assert_eq!(server.get("/accel.php?file=/none.txt").status, 404);
    assert_eq!(server.get("/accel.php?file=/../public/fine.php").status, 404);
    let path = fs::canonicalize(server.path("private/report.txt")).expect("it exists");
    assert_eq!(server.get(&format!("/send.php?file={}", path.display())).text(), "the report");
    let teapot = server.get("/bad.php");
    assert_eq!((teapot.status, teapot.text()), (404, "a teapot".to_owned()));
    assert_eq!(server.get("/fine.php").text(), "fine");
}

#[test]
fn a_proxy_in_front_names_the_client() {
    let start = |allowed: &str| {
        Igor::new()
            .global(&format!("servers {{\nlistener_wrappers {{\nproxy_protocol {{\nallow {allowed}\n}}\n}}\n}}"))
            .file("who.php", "<?php echo $_SERVER['REMOTE_ADDR'], ' ', $_SERVER['REMOTE_PORT'];")
            .site("root {$DIR}\nphp_server")
            .start()
    };
    let ask = |address: SocketAddr, header: &[u8]| {
        let mut client = TcpStream::connect(address).expect("it listens");
        client.set_read_timeout(Some(DEADLINE)).expect("a socket");
        client.write_all(header).expect("it is taken");
        client.write_all(b"GET /who.php HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").expect("it is taken");
        let mut text = String::new();
        // A refused connection may be reset.
        let _ = client.read_to_string(&mut text);
        text
    };
    let first = b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n".as_slice();
    let second = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x30\x39\0\x50".as_slice();
    let server = start("127.0.0.0/8");
    for header in [first, second] {
        assert!(ask(server.address(), header).ends_with("192.0.2.7 12345"));
    }
    let direct = ask(server.address(), b"");
    assert!(direct.contains("127.0.0.1 ") && direct.starts_with("HTTP/1.1 200"), "{direct}");
    assert!(ask(server.address(), b"PROXY NONSENSE\r\n").is_empty());
    let server = start("192.0.2.0/24");
    assert!(ask(server.address(), first).starts_with("HTTP/1.1 400 "));
}
