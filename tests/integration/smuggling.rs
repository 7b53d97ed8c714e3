//! Requests on which two readers could disagree: where one ends, and how many there are. Real proxies stand in front; each
//! request that a script sees must be one that the proxy has seen too.

use crate::common::{DEADLINE, Igor, Server, free_address, wait_until};
use serde_json::Value;
use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A request inside a body, which must not be read as a request.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a.test\r\nX: y\r\n\r\n";

/// Heads without their end, and the bytes after it. The first two lines of each request are added.
fn cases() -> Vec<(String, String)> {
    let hidden = HIDDEN.len();
    let chunk = format!("{hidden:x}\r\n{HIDDEN}\r\n0\r\n\r\n");
    let after_end = format!("0\r\n\r\n{HIDDEN}");
    let both = |coding: &str| format!("Content-Length: {}\r\n{coding}\r\n", after_end.len());
    let mut cases = vec![
        // Both framings, in either order, and with codings that one side may not see.
        (both("Transfer-Encoding: chunked"), after_end.clone()),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {}\r\n", after_end.len()), after_end.clone()),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunk.clone()),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n".to_owned(), chunk.clone()),
    ];
    for coding in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer\r\n-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        " Transfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        "TRANSFER-ENCODING: CHUNKED",
        "Transfer-Encoding: chunked\0",
    ] {
        cases.push((both(coding), after_end.clone()));
        cases.push((format!("{coding}\r\n"), chunk.clone()));
    }
    for length in [
        "+10",
        "-0",
        "0x3d",
        "1e1",
        " 0 ",
        "0, 0",
        "0,61",
        "",
        "00",
        "٣",
        "18446744073709551616",
        "0\r\nContent-Length: 61",
    ] {
        cases.push((format!("Content-Length: {length}\r\n"), HIDDEN.to_owned()));
    }
    cases.push(("Content-Length : 0\r\n".to_owned(), HIDDEN.to_owned()));
    cases.push((format!("Content_Length: {hidden}\r\n"), HIDDEN.to_owned()));
    cases.push((format!("Expect: 100-continue\r\nContent-Length: {hidden}\r\n"), HIDDEN.to_owned()));
    for size in ["0x1", "-1", "+1", " 1", "1 ", "1;a=\"\r\n\"", "g", "", "10000000000000001", "1\n", "1\r"] {
        let body = format!("{size}\r\nx\r\n0\r\n\r\n{HIDDEN}");
        cases.push(("Transfer-Encoding: chunked\r\n".to_owned(), body));
    }
    for body in [
        format!("1\r\nxy\r\n0\r\n\r\n{HIDDEN}"),
        format!("1\r\nx0\r\n\r\n{HIDDEN}"),
        format!("1\nx\n0\n\n{HIDDEN}"),
        format!("0\r\nX: y\r\n\r\n{HIDDEN}"),
        format!("0\r\n{HIDDEN}"),
        format!("0\r\r\n{HIDDEN}"),
    ] {
        cases.push(("Transfer-Encoding: chunked\r\n".to_owned(), body));
    }
    cases
}

fn requests() -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for (number, (head, body)) in cases().into_iter().enumerate() {
        for line in ["POST /first/{} HTTP/1.1", "GET /first/{} HTTP/1.1", "POST /first/{} HTTP/1.0"] {
            let line = line.replace("{}", &number.to_string());
            requests.push(format!("{line}\r\nHost: a.test\r\n{head}\r\n{body}").into_bytes());
        }
    }
    // What a proxy that does not know a body would take for the next request.
    requests.push(format!("GET /first/nul HTTP/1.1\r\nHost: a.test\r\nX: a\0b\r\n\r\n{HIDDEN}").into_bytes());
    requests.push(format!("GET  /first/blanks  HTTP/1.1\r\nHost: a.test\r\n\r\n{HIDDEN}").into_bytes());
    requests.push(format!("\r\n\r\nGET /first/lines HTTP/1.1\r\nHost: a.test\r\n\r\n{HIDDEN}").into_bytes());
    requests
}

fn igor() -> Server {
    let script = "<?php file_put_contents(getenv('DIR') . '/seen', \"$_SERVER[REQUEST_METHOD] $_SERVER[REQUEST_URI]\\n\", FILE_APPEND | LOCK_EX);
        echo strlen(file_get_contents('php://input'));";
    Igor::new()
        .frankenphp("num_threads 4")
        .file("index.php", script)
        .site("root {$DIR}\nphp_server {\nenv DIR {$DIR}\n}")
        .start()
}

/// Sends each request on a connection of its own, and takes what comes back until nothing does.
fn send_all(address: SocketAddr) {
    let requests = requests();
    for some in requests.chunks(64) {
        std::thread::scope(|scope| {
            for request in some {
                scope.spawn(move || {
                    let mut stream = TcpStream::connect(address).expect("somebody listens");
                    stream.set_read_timeout(Some(Duration::from_millis(700))).expect("a timeout can be set");
                    // The connection may be closed before all of it was sent.
                    let _ = stream.write_all(request);
                    let _ = stream.read_to_end(&mut Vec::new());
                });
            }
        });
    }
}

/// The method and target in a line of a proxy's log; some write JSON.
fn request_of(line: &str) -> String {
    let Ok(record) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    let request = &record["request"];
    format!("{} {}", request["method"].as_str().unwrap_or_default(), request["uri"].as_str().unwrap_or_default())
}

fn count(text: &str) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for line in text.lines() {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// A proxy of another project, ended with the test.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    /// Starts the program with the configuration that `configure` makes of its own port. `None`: it is not installed.
    fn start(program: &str, arguments: &[&str], folder: &Path, configure: impl Fn(u16) -> String) -> Option<Self> {
        let address = free_address();
        let file = folder.join("proxy.conf");
        fs::write(&file, configure(address.port())).expect("files can be written");
        let log = fs::File::create(folder.join("proxy.out")).expect("files can be written");
        let errors = fs::File::create(folder.join("proxy.err")).expect("files can be written");
        let child = Command::new(program)
            .args(arguments)
            .arg(&file)
            .env("HOME", folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "{program}: {error}; install it");
                eprintln!("skipped: {program} is not installed ({error})");
                return None;
            }
        };
        let proxy = Self { child, address };
        wait_until(program, || TcpStream::connect(address).is_ok());
        Some(proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Sends everything through the proxy, and compares what it says that it forwarded with what the scripts saw.
fn compare(program: &str, arguments: &[&str], log: &str, configure: impl Fn(u16, SocketAddr, &Path) -> String) {
    let mut server = igor();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(proxy) =
        Proxy::start(program, arguments, folder.path(), |port| configure(port, server.address(), folder.path()))
    else {
        return;
    };
    // It works at all.
    let mut stream = TcpStream::connect(proxy.address).expect("it listens");
    stream.write_all(b"GET /works HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").expect("it takes a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{program}: {answer}");
    send_all(proxy.address);
    // All scripts end before the proxy does: it logs a request when it has the answer, and none that its own end cuts off.
    server.stop_by(rustix::process::Signal::INT);
    let unknown = || {
        let seen = fs::read_to_string(server.path("seen")).expect("scripts have run");
        let forwarded = fs::read_to_string(folder.path().join(log)).expect("the proxy has a log");
        let forwarded: String = forwarded.lines().map(|line| request_of(line) + "\n").collect();
        let (seen, forwarded) = (count(&seen), count(&forwarded));
        assert!(seen.len() > 10, "{program} lets next to nothing through: {seen:?}");
        seen.into_iter().find_map(|(request, times)| {
            let known = forwarded.get(request).copied().unwrap_or_default();
            let text = || format!("{program} forwarded `{request}` {known} times, scripts saw it {times} times");
            (times > known).then(text)
        })
    };
    let until = Instant::now() + DEADLINE;
    while unknown().is_some() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(unknown(), None);
}

#[test]
fn nginx_and_igor_agree_on_what_a_request_is() {
    compare("nginx", &["-c"], "front.log", |port, back, folder| {
        let folder = folder.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
            .collect();
        format!(
            "daemon off;\nuser root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n{temporary}
            log_format request '$request_method $request_uri';\naccess_log {folder}/front.log request;
            upstream back {{ server {back}; keepalive 8; }}
            server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://back; proxy_http_version 1.1;
            proxy_set_header Connection ''; proxy_request_buffering off; }} }}\n}}\n"
        )
    });
}

#[test]
fn haproxy_and_igor_agree_on_what_a_request_is() {
    compare("haproxy", &["-f"], "proxy.out", |port, back, _| {
        format!(
            "global\n log stdout format raw local0\ndefaults\n mode http\n timeout connect 5s\n timeout client 5s
 timeout server 5s\n log global\n log-format \"%HM %HU\"\n http-reuse always\nfrontend front\n bind 127.0.0.1:{port}
 default_backend back\nbackend back\n server igor {back}\n"
        )
    });
}

#[test]
fn caddy_and_igor_agree_on_what_a_request_is() {
    compare("caddy", &["run", "--adapter", "caddyfile", "--config"], "front.log", |port, back, folder| {
        format!(
            "{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nlog {{\noutput file {}/front.log\nformat json\n}}\nreverse_proxy {back}\n}}\n",
            folder.display()
        )
    });
}

/// Without a proxy: whatever is ambiguous is refused or the connection ends behind it.
#[test]
fn what_is_ambiguous_hides_no_request() {
    let server = igor();
    let ambiguous: Vec<Vec<u8>> = cases()
        .into_iter()
        .filter(|(head, _)| head.contains("Content-Length") && head.to_ascii_lowercase().contains("encoding"))
        .filter(|(head, _)| !head.contains("_Encoding"))
        .map(|(head, body)| format!("POST /first HTTP/1.1\r\nHost: a.test\r\n{head}\r\n{body}").into_bytes())
        .collect();
    assert!(ambiguous.len() > 15);
    for request in ambiguous {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout can be set");
        let _ = stream.write_all(&request);
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&request).into_owned();
        assert!(
            ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "{text:?}"
        );
        assert!(!fs::read_to_string(server.path("seen")).unwrap_or_default().contains("hidden"), "{text:?}");
    }
}
