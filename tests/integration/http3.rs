//! HTTP/3, with a client of the crates h3 and quinn.

mod client;

use self::client::{Client, request};
use super::common::{Igor, Server, free_address, wait_until};
use http::StatusCode;
use rustix::process::Signal;
use std::process::Command;

const H3_NO_ERROR: u64 = 0x100;
const H3_EXCESSIVE_LOAD: u64 = 0x107;

/// The memory that an attack may leave behind: some megabytes are buffers that the allocator keeps.
const GROWTH_BYTES_MAX: usize = 48 << 20;

const PAGE: &str = "<?php header('X-Page: 1');\n\
    echo $_SERVER['SERVER_PROTOCOL'], ' ', $_SERVER['HTTPS'], ' ', $_SERVER['REMOTE_ADDR'], ' ', $_SERVER['HTTP_HOST'],\n\
    ' ', $_COOKIE['a'] ?? '-', ' ', $_COOKIE['b'] ?? '-';";

const WORKER: &str = "<?php $count = 0;\n\
    while (frankenphp_handle_request(function () use (&$count) { echo ++$count, ' ', $_SERVER['SERVER_PROTOCOL']; }));";

const UPLOAD: &str = "<?php $body = file_get_contents('php://input');\n\
    touch(getenv('DIR') . '/uploaded');\n\
    echo strlen($body), ' ', md5($body);";

/// Answers before it has the request, and again when it has.
const ECHO: &str = "<?php echo 'begun'; flush(); echo file_get_contents('php://input');";

const ENDLESS: &str = "<?php register_shutdown_function(fn () => touch(getenv('DIR') . '/aborted-' . connection_aborted()));\n\
    while (true) { echo str_repeat('x', 10000); flush(); }";

const SITE: &str = "tls internal\n\
    root {$DIR}\n\
    handle /echo.php {\nphp_server {\nrequest_buffering off\n}\n}\n\
    handle /small/* {\nphp_server {\nrequest_buffering 1KiB\n}\n}\n\
    php_server {\nworker {$DIR}/worker.php 1\n}";

fn igor(servers: &str) -> Igor {
    Igor::new()
        // A request without a response leaves its reason in the log.
        .global(&format!("debug\nservers {{\nprotocols h1 h2 h3\n{servers}\n}}"))
        .file("page.php", PAGE)
        .file("worker.php", WORKER)
        .file("upload.php", UPLOAD)
        .file("small/upload.php", UPLOAD)
        .file("echo.php", ECHO)
        .file("endless.php", ENDLESS)
        .file("short.php", "<?php header('Content-Length: 10'); echo 'abc';")
        .file("large.php", "<?php echo str_repeat('x', 4 << 20);")
        .file("style.css", &"a{}".repeat(10_000))
        .global("storage file_system {$DIR}/data\nauto_https disable_redirects")
        // The port that the system chooses for TCP may be another program's for UDP.
        .raw_site(&format!("https://a.example:{} {{\nbind 127.0.0.1\n{SITE}\n}}\n", free_address().port()))
}

#[test]
fn php_answers_in_both_modes_and_files_are_served() {
    let server = igor("").start();
    let client = Client::connect(&server);
    let mut with_cookies = request("GET", "/page.php");
    for cookie in ["a=1", "b=2"] {
        with_cookies.headers_mut().append("cookie", cookie.parse().expect("a value"));
    }
    let page = client.send(with_cookies, b"");
    assert_eq!((page.status, page.text()), (StatusCode::OK, "HTTP/3.0 on 127.0.0.1 a.example 1 2"));
    assert_eq!((page.field("x-page"), page.field("content-length")), ("1", page.text().len().to_string().as_str()));
    assert!(page.head.contains_key("date") && !page.head.contains_key("connection"), "{:?}", page.head);
    assert_eq!([1, 2].map(|_| client.get("/worker.php").text().to_owned()), ["1 HTTP/3.0", "2 HTTP/3.0"]);
    let large = client.get("/large.php");
    assert_eq!((large.body.len(), large.is_whole), (4 << 20, true));
    assert_eq!(client.get("/style.css").body.len(), 30_000);
    let head = client.send(request("HEAD", "/style.css"), b"");
    assert_eq!((head.field("content-length"), head.body.len()), ("30000", 0));
    let short = client.get("/short.php");
    assert_eq!((short.text(), short.is_whole), ("abc", false), "a broken-off answer does not look whole");
    assert_eq!(client.get("/none.php").status, StatusCode::NOT_FOUND);
    assert!(!client.has_early_data(&server), "a recorded request could be sent again");
}

/// The fields of an answer over TCP.
fn head_over_tcp(server: &Server, version: &str) -> String {
    let (root, address) = (server.path("data/pki/authorities/local/root.crt"), server.address());
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--include", version, "--connect-to"])
        .arg(format!("a.example:443:{}:{}", address.ip(), address.port()))
        .arg("--cacert")
        .arg(root)
        .arg("https://a.example/page.php")
        .output()
        .expect("curl can be run");
    String::from_utf8(output.stdout).expect("text").to_ascii_lowercase()
}

#[test]
fn clients_learn_of_it_over_tcp_until_a_reload_switches_it_off() {
    let server = igor("").start();
    server.wait_log(&["HTTP/3 is experimental"]);
    server.wait_log(&["listening for HTTP/3"]);
    let field = format!("alt-svc: h3=\":{}\"; ma=86400", server.address().port());
    for version in ["--http1.1", "--http2"] {
        let head = head_over_tcp(&server, version);
        assert!(head.contains(&field), "{head}");
    }
    let client = Client::connect(&server);
    assert_eq!(client.get("/page.php").status, StatusCode::OK);
    reload(&server, |text| text.replace("root {$DIR}\n", "root {$DIR}\nheader X-New 1\n"));
    assert_eq!(client.get("/page.php").field("x-new"), "1", "the same connection, the new configuration");
    reload(&server, |text| text.replace("h1 h2 h3", "h1 h2"));
    let head = head_over_tcp(&server, "--http2");
    assert!(head.contains("x-new: 1") && !head.contains("alt-svc"), "{head}");
}

fn reload(server: &Server, change: impl FnOnce(String) -> String) {
    let path = server.path("Caddyfile");
    let text = std::fs::read_to_string(&path).expect("the Caddyfile");
    std::fs::write(&path, change(text)).expect("the Caddyfile can be written");
    let before = server.log.count("the configuration was reloaded");
    server.signal(Signal::HUP);
    wait_until("the reload", || server.log.count("the configuration was reloaded") > before);
}

#[test]
fn uploads_reach_the_script_whole_or_not_at_all() {
    let server = igor("").start();
    let client = Client::connect(&server);
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let whole = client.send(request("POST", "/upload.php"), &body);
    assert_eq!(whole.text().split(' ').next(), Some("3000000"));
    let mut announced = request("POST", "/upload.php");
    announced.headers_mut().insert("content-length", body.len().into());
    assert_eq!(client.send(announced, &body).text(), whole.text());
    // A frame for each byte, which h3 alone would collect.
    let mut pieces = client.begin(request("POST", "/upload.php"));
    body[..40_000].chunks(1).for_each(|piece| pieces.write(piece));
    assert_eq!(pieces.end().text().split(' ').next(), Some("40000"));
    assert_eq!(client.send(request("POST", "/small/upload.php"), &body).status, StatusCode::PAYLOAD_TOO_LARGE);

    std::fs::remove_file(server.path("uploaded")).expect("the script has run");
    let mut longer = request("POST", "/upload.php");
    longer.headers_mut().insert("content-length", (body.len() + 1).into());
    assert_eq!(client.send(longer, &body).status, StatusCode::BAD_REQUEST);
    let mut chunked = request("POST", "/upload.php");
    chunked.headers_mut().insert("transfer-encoding", "chunked".parse().expect("a value"));
    assert!(client.begin(chunked).try_end().is_none(), "a field of HTTP/1.1 makes the request malformed");
    assert_eq!(client.get("/page.php").status, StatusCode::OK, "the connection goes on");
    assert!(!server.path("uploaded").exists(), "no script has seen a part");
}

#[test]
fn flushed_output_comes_at_once() {
    let server = igor("").start();
    let client = Client::connect(&server);
    let mut echo = client.begin(request("POST", "/echo.php"));
    assert_eq!((echo.status(), echo.read()), (StatusCode::OK, b"begun".to_vec()), "the request goes on");
    assert_eq!(client.get("/page.php").status, StatusCode::OK, "other requests pass meanwhile");
    echo.write(b"rest");
    assert_eq!(echo.rest(), (b"rest".to_vec(), true));
}

#[test]
fn a_cancelled_request_is_noticed_by_its_script() {
    let server = igor("").start();
    let client = Client::connect(&server);
    let mut endless = client.begin(request("GET", "/endless.php"));
    endless.finish();
    assert_eq!(endless.status(), StatusCode::OK);
    endless.cancel();
    wait_until("the script's end", || server.path("aborted-1").exists());
    assert_eq!(client.get("/page.php").status, StatusCode::OK);
}

#[test]
fn heads_and_frames_are_bounded() {
    let server = igor("max_header_size 8KiB").start();
    let client = Client::connect(&server);
    // As QPACK writes them (RFC 9204, 4.5): GET, https and `/` of the static table, and two literals.
    let fields = [&[0, 0, 0xd1, 0xd7, 0xc1, 0x50, 9][..], b"a.example", &[0x21, b'x', 0x7f, 0xa9, 69], &[b'v'; 9000]];
    let fields = fields.concat();
    let length = u16::try_from(fields.len()).expect("short") | 0x4000;
    let answer = client.raw(&[&[0x01][..], &length.to_be_bytes(), &fields].concat());
    // The same in its Huffman code.
    assert!(answer.windows(3).any(|three| three == [0x69, 0x90, 0xff]), "the status is 431: {answer:x?}");
    let before = server.resident_bytes();
    // A HEADERS frame of a gigabyte.
    let announced = [vec![0x01, 0xc0, 0, 0, 0, 0x40, 0, 0, 0]].into_iter();
    let stopped = client.attack(announced.chain((0..6400).map(|_| vec![0; 16 << 10])));
    assert_eq!(stopped, Some(H3_EXCESSIVE_LOAD), "100 MB of a head were read");
    let grown = server.growth_since(before);
    assert!(grown < GROWTH_BYTES_MAX, "{} KiB more than before", grown >> 10);
    assert_eq!(client.get("/page.php").status, StatusCode::OK);
}

#[test]
fn many_cancelled_requests_end_the_connection() {
    let server = igor("").start();
    let client = Client::connect(&server);
    wait_until("the end", || {
        if client.connection.close_reason().is_none() {
            client.begin_and_cancel("/upload.php");
        }
        client.connection.close_reason().is_some()
    });
    assert_eq!(client.end_code(), H3_EXCESSIVE_LOAD);
    assert_eq!(Client::connect(&server).get("/page.php").status, StatusCode::OK);
}

#[test]
fn a_connection_without_requests_ends() {
    let server = igor("timeouts {\nidle 1s\n}").start();
    let client = Client::connect(&server);
    assert_eq!(client.get("/page.php").status, StatusCode::OK);
    assert_eq!(client.end_code(), H3_NO_ERROR);
}

#[test]
fn a_stopping_server_ends_its_answers_first() {
    let server = igor("").start();
    let client = Client::connect(&server);
    let mut echo = client.begin(request("POST", "/echo.php"));
    assert_eq!((echo.status(), echo.read()), (StatusCode::OK, b"begun".to_vec()));
    server.signal(Signal::INT);
    wait_until("the end of new connections", || std::net::TcpStream::connect(server.address()).is_err());
    let rest = "x".repeat(1 << 20);
    echo.write(rest.as_bytes());
    let (body, is_whole) = echo.rest();
    assert_eq!((body.len(), is_whole), (rest.len(), true));
    assert_eq!(client.end_code(), H3_NO_ERROR);
    let stopped = server.ended();
    assert!(stopped.status.success(), "{}", stopped.log);
}

/// A body without `Content-Length` ends with its stream: an end inside of a frame is no end of the body.
#[test]
fn an_upload_that_is_cut_inside_of_a_frame_reaches_no_script() {
    let code = "<?php $body = file_get_contents('php://input');
        file_put_contents(__DIR__ . '/seen', strlen($body) . ' ', FILE_APPEND); echo 'taken';";
    let server = igor("").file("seen.php", code).start();
    let client = Client::connect(&server);
    let field = |kind: u8, text: &str| [&[kind, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    // POST and https by the static table of QPACK, then the path and the host as texts.
    let fields = [vec![0, 0, 0xd4, 0xd7], field(0x51, "/seen.php"), field(0x50, "a.example")].concat();
    let head = [&[1, u8::try_from(fields.len()).expect("short")], fields.as_slice()].concat();
    let data = |length: u8, sent: &[u8]| [&head, &[0, length][..], sent].concat();
    // A cut inside of the type and the length of a frame ends the connection.
    let cut = [data(50, b"part"), data(5, b""), [data(1, b"x"), vec![0, 60, b'y']].concat()];
    assert!(client.raw_and_late_end(&data(5, b"whole")), "a whole body is answered");
    for bytes in cut {
        client.raw_and_late_end(&bytes);
        client.raw(&data(1, b"x"));
    }
    assert_eq!(std::fs::read_to_string(server.path("seen")).expect("what the script saw"), "5 1 1 1 ");
}

#[test]
fn early_hints_come_before_the_response() {
    let code =
        "<?php header('Link: </a.css>; rel=preload'); headers_send(103); headers_send(102); header_remove('Link');
        while (!file_exists(__DIR__ . '/go')) { usleep(1000); clearstatcache(); } echo 'page';";
    let server = igor("").file("hints.php", code).start();
    let client = Client::connect(&server);
    let mut exchange = client.begin(request("GET", "/hints.php"));
    exchange.finish();
    let hint = exchange.head();
    assert_eq!(
        (hint.status().as_u16(), &hint.headers()["link"]),
        (103, &"</a.css>; rel=preload".parse().expect("a value"))
    );
    assert_eq!(exchange.head().status().as_u16(), 102);
    std::fs::write(server.path("go"), "").expect("a file");
    let page = exchange.head();
    assert_eq!((page.status(), page.headers().get("link")), (StatusCode::OK, None));
    assert_eq!(exchange.rest(), (b"page".to_vec(), true));
}

/// The server would wait for its word that the answer has arrived.
#[test]
fn a_client_that_has_vanished_delays_no_stop() {
    for path in ["/large.php", "/endless.php"] {
        let server = igor("").global("grace_period 1s").start();
        let client = Client::connect(&server);
        assert_eq!(client.get("/page.php").status, StatusCode::OK);
        let mut exchange = client.begin(request("GET", path));
        exchange.finish();
        assert_eq!(exchange.status(), StatusCode::OK);
        client.vanish();
        let begun = std::time::Instant::now();
        server.signal(Signal::INT);
        let stopped = server.ended();
        assert!(stopped.status.success(), "{}", stopped.log);
        // It would be half a minute.
        assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}: {}", begun.elapsed(), stopped.log);
    }
}
