//! The FastCGI responder, frame by frame: valid and invalid input from web servers.

use super::common::{DEADLINE, Igor, Server, igor, wait_until};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

const BEGIN: u8 = 1;
const ABORT: u8 = 2;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const GET_VALUES: u8 = 9;

fn record(kind: u8, id: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a record's content").to_be_bytes();
    [&[1, kind, 0, id, length[0], length[1], 0, 0], content].concat()
}

fn begin(role: u8, keep: bool) -> Vec<u8> {
    record(BEGIN, 1, &[0, role, u8::from(keep), 0, 0, 0, 0, 0])
}

fn pair(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| (u32::try_from(text.len()).expect("a length") | 0x8000_0000).to_be_bytes();
    [&length(name)[..], &length(value), name.as_bytes(), value.as_bytes()].concat()
}

fn params(pairs: &[(&str, &str)]) -> Vec<u8> {
    let content: Vec<u8> = pairs.iter().flat_map(|(name, value)| pair(name, value)).collect();
    [record(PARAMS, 1, &content), record(PARAMS, 1, b"")].concat()
}

/// A web server's end of a connection.
pub(super) struct Front<S = TcpStream>(pub(super) S);

impl Front {
    pub(super) fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Self(stream)
    }
}

impl<S: Read + Write> Front<S> {
    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the server reads");
    }

    /// The next record; `None`: the connection has ended.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 8];
        self.0.read_exact(&mut header).ok()?;
        let mut content = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]])) + usize::from(header[6])];
        self.0.read_exact(&mut content).expect("the rest of a record");
        Some((header[1], content))
    }

    /// All output up to the end of the request, and the protocol's status.
    fn answer(&mut self) -> (String, u8) {
        let mut output = Vec::new();
        loop {
            match self.next().expect("an end of the request") {
                (STDOUT, content) => output.extend(content),
                (END, content) => return (String::from_utf8_lossy(&output).into_owned(), content[4]),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn ask(&mut self, pairs: &[(&str, &str)], body: &[u8]) -> (String, u8) {
        let length = body.len().to_string();
        let mut all = pairs.to_vec();
        all.push(("CONTENT_LENGTH", &length));
        self.send(&[begin(1, true), params(&all)].concat());
        for piece in body.chunks(30_000) {
            self.send(&record(STDIN, 1, piece));
        }
        self.send(&record(STDIN, 1, b""));
        self.answer()
    }
}

const SCRIPT: &str = "<?php
header('X-Method: ' . $_SERVER['REQUEST_METHOD']);
if (isset($_GET['reason'])) { header('HTTP/1.1 299 As You Wish'); }
if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    echo strlen(file_get_contents('php://input')), ' ', md5(file_get_contents('php://input'));
    return;
}
http_response_code((int) ($_GET['status'] ?? 200));
foreach (['SCRIPT_NAME', 'PATH_INFO', 'QUERY_STRING', 'REMOTE_ADDR', 'HTTPS', 'HTTP_X_OWN', 'PHP_SELF', 'OWN'] as $name) {
    echo $name, '=', $_SERVER[$name] ?? 'absent', ';';
}
echo 'uri=', $_SERVER['REQUEST_URI'] ?? 'absent', ';get=', json_encode($_GET), ';proxy=', $_SERVER['HTTP_PROXY'] ?? 'absent';
";

fn start() -> Server {
    let sites = "fastcgi://127.0.0.1:0 {\nphp {\nenv OWN yes\nworker {$DIR}/worker.php 1\n}\n}\n";
    let worker = "<?php $n = 0; while (frankenphp_handle_request(function () use (&$n) { echo 'worker ', ++$n, ' ', $_SERVER['X']; })) {}";
    Igor::new().file("app.php", SCRIPT).file("worker.php", worker).file("text.txt", "no PHP").raw_site(sites).start()
}

pub(super) fn at(server: &Server, name: &str) -> String {
    server.path(name).display().to_string()
}

#[test]
fn a_script_gets_what_the_web_server_sends_and_answers_like_under_php_fpm() {
    let server = start();
    let mut front = Front::connect(&server);
    let file = format!("{}/more/info", at(&server, "app.php"));
    let get = [
        ("SCRIPT_FILENAME", file.as_str()),
        ("SCRIPT_NAME", "/app.php/more/info"),
        ("REQUEST_METHOD", "GET"),
        ("REQUEST_URI", "/pretty?x=1"),
        ("QUERY_STRING", "a=b&status=201"),
        ("REMOTE_ADDR", "192.0.2.7"),
        ("SERVER_NAME", "example.com"),
        ("HTTPS", "on"),
        ("HTTP_X_OWN", "field"),
        ("HTTP_PROXY", "http://evil"),
    ];
    for _ in 0..3 {
        let (answer, status) = front.ask(&get, b"");
        assert_eq!(status, 0);
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("Status: 201 Created\r\n") && head.contains("X-Method: GET"), "{head}");
        assert_eq!(
            body,
            "SCRIPT_NAME=/app.php;PATH_INFO=/more/info;QUERY_STRING=a=b&status=201;REMOTE_ADDR=192.0.2.7;HTTPS=on;\
             HTTP_X_OWN=field;PHP_SELF=/app.php/more/info;OWN=yes;uri=/pretty?x=1;get={\"a\":\"b\",\"status\":\"201\"};\
             proxy=absent"
        );
    }
}

/// The reason of a status was always the usual one, or none.
#[test]
fn the_words_of_a_status_are_the_scripts() {
    let server = start();
    let script = at(&server, "app.php");
    let own = [("SCRIPT_FILENAME", script.as_str()), ("REQUEST_METHOD", "POST"), ("QUERY_STRING", "reason=1")];
    let (answer, _) = Front::connect(&server).ask(&own, b"");
    assert!(answer.starts_with("Status: 299 As You Wish\r\n"), "{answer}");
}

/// A load balancer between the web server and igor.
#[test]
fn a_proxy_in_front_of_a_fastcgi_address() {
    let servers = "servers {\nlistener_wrappers {\nproxy_protocol {\nallow 127.0.0.1/32\n}\n}\n}";
    let site = "fastcgi://127.0.0.1:0 {\nphp\n}\n";
    let server = Igor::new().global(servers).file("app.php", SCRIPT).raw_site(site).start();
    let mut front = Front::connect(&server);
    front.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n");
    let file = at(&server, "app.php");
    let get = [("SCRIPT_FILENAME", file.as_str()), ("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "198.51.100.9")];
    let (answer, status) = front.ask(&get, b"");
    assert!(status == 0 && answer.contains("REMOTE_ADDR=198.51.100.9;"), "the web server's word counts: {answer}");
}

/// `igor fpm` at a Unix socket, as php-fpm's `listen` has it.
#[test]
fn a_web_server_connects_by_a_unix_socket() {
    let dir = tempfile::tempdir().expect("a folder");
    let (socket, script) = (dir.path().join("fpm.sock"), dir.path().join("app.php"));
    std::fs::write(&script, SCRIPT).expect("a file");
    let mut command = igor();
    command.arg("fpm").arg("--listen").arg(format!("unix:{}|0600", socket.display()));
    let mut server = Server::spawn(command, dir);
    server.wait_log(&["listening", "fpm.sock"]);
    let mode = std::fs::metadata(&socket).expect("the socket").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let stream = UnixStream::connect(&socket).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let file = script.display().to_string();
    let get = [("SCRIPT_FILENAME", file.as_str()), ("REQUEST_METHOD", "GET"), ("REMOTE_ADDR", "192.0.2.7")];
    let (answer, status) = Front(stream).ask(&get, b"");
    assert!(status == 0 && answer.contains("REMOTE_ADDR=192.0.2.7;"), "{answer}");
    server.stop_by(Signal::QUIT);
    assert!(!socket.exists(), "the file goes with the server");
}

#[test]
fn large_bodies_arrive_whole_and_workers_answer_too() {
    let server = start();
    let mut front = Front::connect(&server);
    let script = at(&server, "app.php");
    let body = vec![b'x'; 1_000_000];
    let (answer, _) = front.ask(&[("SCRIPT_FILENAME", &script), ("REQUEST_METHOD", "POST")], &body);
    assert!(answer.ends_with("1000000 ec78dbd963d2fc01e51176ed4dec299e"), "{answer}");
    let worker = at(&server, "worker.php");
    for number in 1..=3 {
        let x = format!("x{number}");
        let (answer, _) = front.ask(&[("SCRIPT_FILENAME", &worker), ("REQUEST_METHOD", "GET"), ("X", &x)], b"");
        assert!(answer.ends_with(&format!("worker {number} {x}")), "{answer}");
    }
}

const INI: &str = "<?php
foreach (['precision', 'memory_limit', 'post_max_size', 'user_agent'] as $name) {
    echo $name, '=', ini_get($name), ';';
}
echo error_reporting() === (E_ALL & ~E_NOTICE) ? 'notices off;' : 'all;';
echo 'set=', json_encode([ini_set('precision', '5'), @ini_set('memory_limit', '300M')]), ';post=', count($_POST);
";

/// `php_value` and `php_admin_value` of the block, and `PHP_VALUE` and `PHP_ADMIN_VALUE` of a request, as under php-fpm.
#[test]
fn settings_of_php_ini_for_one_block_and_for_one_request() {
    let block = "php_value precision 7\nphp_value error_reporting \"E_ALL & ~E_NOTICE\"\nphp_admin_value memory_limit 200M\n\
        php_value user_agent \"a;b=c\"\nworker {$DIR}/worker.php 1\n";
    let worker = format!(
        "{}\n$text = ob_get_clean(); while (frankenphp_handle_request(function () use ($text) {{ echo $text, ';', ini_get('precision'); }})) {{}}",
        INI.replacen("<?php", "<?php ob_start();", 1)
    );
    let site = format!("fastcgi://127.0.0.1:0 {{\nphp {{\n{block}}}\n}}\n");
    let server = Igor::new()
        .frankenphp("num_threads 1")
        .file("ini.php", INI)
        .file("worker.php", &worker)
        .raw_site(&site)
        .start();
    let mut front = Front::connect(&server);
    let script = at(&server, "ini.php");
    let form = "application/x-www-form-urlencoded";
    let mut ask = |script: &str, own: &[(&str, &str)]| {
        let usual = [("SCRIPT_FILENAME", script), ("REQUEST_METHOD", "POST"), ("CONTENT_TYPE", form)];
        let (answer, status) = front.ask(&[&usual, own].concat(), b"a=1&b=2");
        assert_eq!(status, 0);
        answer.split_once("\r\n\r\n").expect("a head and a body").1.to_owned()
    };
    let of_block = "precision=7;memory_limit=200M;post_max_size=8M;user_agent=a;b=c;notices off;";
    assert_eq!(ask(&script, &[]), format!("{of_block}set=[\"7\",false];post=2"));
    // The limits of a request count for its own body.
    let own = [
        ("PHP_VALUE", "precision=9\npost_max_size = 4"),
        ("PHP_ADMIN_VALUE", "memory_limit=\"250M\"\nerror_reporting = E_ALL\ndisable_functions=strlen\nno line"),
    ];
    let answer = ask(&script, &own);
    assert!(
        answer.ends_with("precision=9;memory_limit=250M;post_max_size=4;user_agent=a;b=c;all;set=[\"9\",false];post=0"),
        "{answer}"
    );
    // What the block has locked is not the request's.
    let answer = ask(&script, &[("PHP_VALUE", "memory_limit=1G")]);
    assert_eq!(answer, format!("{of_block}set=[\"7\",false];post=2"), "and the settings of a request end with it");
    let of_worker = ask(&at(&server, "worker.php"), &[]);
    assert_eq!(of_worker, format!("{of_block}set=[\"7\",false];post=0;5"));
    server.wait_log(&["the php.ini setting \"disable_functions\"", "one setting of the process"]);
    server.wait_log(&["the php.ini setting \"memory_limit\" of a request has no effect"]);
}

/// Apache sends the end of a body that does not exist when the response may be complete already. The connection was closed
/// then, and Apache answered with 503.
#[test]
fn the_end_of_a_body_may_come_after_the_answer() {
    let server = start();
    let script = at(&server, "app.php");
    for _ in 0..5 {
        let mut front = Front::connect(&server);
        front.send(&[begin(1, false), params(&[("SCRIPT_FILENAME", &script), ("REQUEST_METHOD", "GET")])].concat());
        let (answer, _) = front.answer();
        assert!(answer.contains("X-Method: GET"), "{answer}");
        front.send(&record(STDIN, 1, b""));
        front.send(&record(STDIN, 1, b""));
        let mut rest = Vec::new();
        front.0.read_to_end(&mut rest).expect("the server closes, and does not reset the connection");
        assert_eq!(rest, b"");
    }
}

/// As from php-fpm. The connection was closed without a word.
#[test]
fn a_client_that_closes_its_sending_side_gets_its_response() {
    let server = start();
    let script = at(&server, "app.php");
    let of = |method: &str, length: &str| {
        params(&[("SCRIPT_FILENAME", &*script), ("REQUEST_METHOD", method), ("CONTENT_LENGTH", length)])
    };
    let get = of("GET", "");
    let post = [of("POST", "3"), record(STDIN, 1, b"a=1")].concat();
    let end = record(STDIN, 1, b"");
    let cases = [
        ("a GET", [get.clone(), end.clone()].concat(), "X-Method: GET"),
        ("a body without its end", post.clone(), "\r\n\r\n3 "),
        ("a body", [post, end].concat(), "\r\n\r\n3 "),
        ("no body", get, "X-Method: GET"),
    ];
    for (what, request, expected) in &cases {
        for keep in [false, true] {
            let mut front = Front::connect(&server);
            front.send(&[&begin(1, keep)[..], request].concat());
            front.0.shutdown(std::net::Shutdown::Write).expect("the sending side closes");
            let (answer, _) = front.answer();
            assert!(answer.contains(expected), "{what}: {answer}");
            assert!(front.next().is_none(), "{what}: the connection ends");
        }
    }
    // The rest of a body that never comes is an error of the client, and no script sees the first part.
    let mut front = Front::connect(&server);
    let part = [of("POST", "9"), record(STDIN, 1, b"a=1")].concat();
    front.send(&[begin(1, false), part].concat());
    front.0.shutdown(std::net::Shutdown::Write).expect("the sending side closes");
    let (answer, _) = front.answer();
    assert!(answer.starts_with("Status: 400 "), "{answer}");
}

/// Visitors who gave up must not fill the queue.
#[test]
fn a_request_of_a_client_that_is_gone_leaves_the_queue() {
    let sites = "fastcgi://127.0.0.1:0 {\nphp\n}\n";
    let script = "<?php touch($_GET['mark']); while (!file_exists($_GET['until'])) { usleep(1000); clearstatcache(); }";
    let server = Igor::new().frankenphp("num_threads 1").file("wait.php", script).raw_site(sites).start();
    let script = at(&server, "wait.php");
    let open = |mark: &str| {
        let query = format!("mark={}&until={}", at(&server, mark), at(&server, "until"));
        let mut front = Front::connect(&server);
        let pairs = [("SCRIPT_FILENAME", script.as_str()), ("REQUEST_METHOD", "GET"), ("QUERY_STRING", &query)];
        front.send(&[begin(1, false), params(&pairs), record(STDIN, 1, b"")].concat());
        front
    };
    let mut running = open("running");
    wait_until("the first request runs", || server.path("running").exists());
    let mut waiting = open("waiting");
    waiting.0.shutdown(std::net::Shutdown::Write).expect("the sending side closes");
    let (answer, _) = waiting.answer();
    assert!(answer.starts_with("Status: 503 "), "{answer}");
    std::fs::write(server.path("until"), "").expect("a file");
    assert!(running.answer().0.starts_with("Status: 200 "));
    assert!(!server.path("waiting").exists());
}

/// With an incomplete body the script used to run as if it were complete.
#[test]
fn a_body_that_is_cut_off_reaches_no_script() {
    let server = start();
    let mut front = Front::connect(&server);
    let pairs = [
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_FILENAME", &*at(&server, "app.php")),
        ("CONTENT_TYPE", "application/x-www-form-urlencoded"),
        ("CONTENT_LENGTH", "30"),
    ];
    front.send(&[begin(1, true), params(&pairs), record(STDIN, 1, b"amount=1"), record(STDIN, 1, b"")].concat());
    let (output, status) = front.answer();
    assert!(output.starts_with("Status: 400 ") && !output.contains("amount"), "{output}");
    assert_eq!(status, 0);
}

#[test]
fn what_is_no_script_is_refused_in_php_fpms_words() {
    let server = start();
    let mut front = Front::connect(&server);
    let (text, missing) = (at(&server, "text.txt"), at(&server, "missing.php"));
    // An uploaded picture never runs as a script, whatever follows its name in the path.
    let behind = format!("{text}/x.php");
    for (file, expected) in [
        (text.as_str(), "Status: 403 Forbidden\r\n"),
        (behind.as_str(), "Status: 403 Forbidden\r\n"),
        (missing.as_str(), "Status: 404 Not Found\r\n"),
        ("app.php", "Status: 404 Not Found\r\n"),
        ("/", "Status: 404 Not Found\r\n"),
    ] {
        let (answer, status) = front.ask(&[("SCRIPT_FILENAME", file), ("REQUEST_METHOD", "GET")], b"");
        assert_eq!((answer.starts_with(expected), status), (true, 0), "{file}: {answer}");
    }
    let (answer, _) = front.ask(&[("REQUEST_METHOD", "GET")], b"");
    assert!(answer.contains("File not found."), "{answer}");
}

#[test]
fn the_protocol_is_kept_and_its_abuse_costs_one_connection() {
    let server = start();
    let script = at(&server, "app.php");
    let usual = [("SCRIPT_FILENAME", script.as_str()), ("REQUEST_METHOD", "GET")];
    let mut front = Front::connect(&server);
    // Another role, a second request at the same time, a question about the server, and a request that is given up.
    front.send(&begin(2, true));
    assert_eq!(front.answer(), (String::new(), 3));
    front.send(&begin(1, true));
    front.send(&record(BEGIN, 9, &[0, 1, 1, 0, 0, 0, 0, 0]));
    assert_eq!(front.answer(), (String::new(), 1));
    front.send(&record(ABORT, 1, b""));
    assert_eq!(front.answer(), (String::new(), 0));
    front.send(&record(
        GET_VALUES,
        0,
        &[15, 0, b'F', b'C', b'G', b'I', b'_', b'M', b'P', b'X', b'S', b'_', b'C', b'O', b'N', b'N', b'S'],
    ));
    let (_, values) = front.next().expect("an answer");
    assert!(values.ends_with(b"FCGI_MPXS_CONNS0"), "{values:?}");
    let (answer, _) = front.ask(&usual, b"");
    assert!(answer.contains("X-Method: GET"), "{answer}");
    // Bytes that are not FastCGI, truncated parameters, and too many parameters.
    let endless = [begin(1, true), record(PARAMS, 1, &[b'x'; 60_000]).repeat(6)].concat();
    let cut_off = [begin(1, true), record(PARAMS, 1, &[200, 1, 2, 3]), record(PARAMS, 1, b"")].concat();
    for abuse in [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), cut_off, endless] {
        let mut front = Front::connect(&server);
        // The connection may end before all of it is written.
        let _ = front.0.write_all(&abuse);
        let mut rest = Vec::new();
        let _ = front.0.read_to_end(&mut rest);
        assert_eq!(rest, b"");
    }
    let (answer, _) = Front::connect(&server).ask(&usual, b"");
    assert!(answer.contains("X-Method: GET"), "{answer}");
}

/// It got no answer: only one that came before the end of the parameters was refused.
#[test]
fn a_second_request_is_refused_while_a_script_runs() {
    let server = start();
    let script = at(&server, "app.php");
    let usual = [("SCRIPT_FILENAME", script.as_str()), ("REQUEST_METHOD", "POST"), ("CONTENT_LENGTH", "3")];
    let mut front = Front::connect(&server);
    front.send(&[begin(1, true), params(&usual)].concat());
    // Before the end of the body, so the script cannot have answered.
    front.send(&[record(BEGIN, 9, &[0, 1, 1, 0, 0, 0, 0, 0]), record(PARAMS, 9, b""), record(STDIN, 9, b"")].concat());
    front.send(&[record(STDIN, 1, b"abc"), record(STDIN, 1, b"")].concat());
    let mut ends = Vec::new();
    let mut output = Vec::new();
    while !ends.contains(&0) {
        match front.next().expect("a record") {
            (END, content) => ends.push(content[4]),
            (STDOUT, content) => output.extend(content),
            other => panic!("{other:?}"),
        }
    }
    let output = String::from_utf8_lossy(&output);
    assert!(output.ends_with("3 900150983cd24fb0d6963f7d28e17f72"), "{output}");
    assert_eq!(ends, [1, 0]);
    assert!(front.ask(&usual[..2], b"abc").0.ends_with("3 900150983cd24fb0d6963f7d28e17f72"));
}

/// The server searched all earlier ones for each of them: 30,000 parameters held a thread of all connections for seconds.
#[test]
fn many_parameters_cost_time_in_proportion_to_their_number() {
    let server = start();
    let script = at(&server, "app.php");
    let mut front = Front::connect(&server);
    // Its processor time: what others do on the machine does not count.
    let mut cost = |count: u32| {
        let names: Vec<String> = (0..count).map(|number| format!("P{number:04x}")).collect();
        let usual = [
            ("SCRIPT_NAME", "/first"),
            ("REQUEST_METHOD", "GET"),
            ("CONTENT_LENGTH", "0"),
            ("SCRIPT_FILENAME", &script),
        ];
        let last = [("SCRIPT_NAME", "/last")];
        let pairs = names.iter().map(|name| (name.as_str(), ""));
        let content: Vec<u8> =
            usual.into_iter().chain(pairs).chain(last).flat_map(|(name, value)| short_pair(name, value)).collect();
        let records: Vec<u8> = content.chunks(60_000).flat_map(|piece| record(PARAMS, 1, piece)).collect();
        let before = server.processor_time();
        for _ in 0..10 {
            front.send(&[begin(1, true), records.clone(), record(PARAMS, 1, b""), record(STDIN, 1, b"")].concat());
            let (answer, _) = front.answer();
            assert!(answer.contains("SCRIPT_NAME=/last;"), "{answer}");
        }
        server.processor_time() - before
    };
    // The first requests of a server cost more.
    cost(1_000);
    let (few, many) = (cost(3_000), cost(30_000));
    // Ten times as many; the square of ten would be a hundred. The system counts in ticks of 10 ms.
    let tick = std::time::Duration::from_millis(10);
    assert!(many < (few + tick) * 40, "{few:?} for 3,000, {many:?} for 30,000");
}

/// A parameter with the short form of its lengths.
fn short_pair(name: &str, value: &str) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).expect("a short text");
    [&[length(name), length(value)][..], name.as_bytes(), value.as_bytes()].concat()
}
