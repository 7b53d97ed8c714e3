//! What php-fpm has beside its protocol: pages for monitoring, and the time limits of requests.

use super::common::{DEADLINE, Igor, Server, igor, wait_until};
use super::fastcgi::{Front, at};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpStream;
use std::path::Path;

/// Waits until a file exists, below a function, so that a backtrace has something to show.
const WAITS: &str = "<?php
class Waits {
    static function forFile(string $file): void {
        while (!file_exists($file)) { usleep(2000); clearstatcache(); }
    }
}
function waits(): void {
    Waits::forFile(__DIR__ . '/go');
}
touch(__DIR__ . '/begun');
waits();
echo 'waited';
";

fn start(lines: &str, files: &[(&str, &str)]) -> Server {
    let site = format!("fastcgi://127.0.0.1:0 {{\nphp {{\n{lines}\n}}\n}}\n");
    let server = Igor::new().frankenphp("num_threads 2").raw_site(&site);
    files.iter().fold(server, |server, (name, text)| server.file(name, text)).start()
}

/// The head and the body of the answer to a request for a script.
fn run(server: &Server, script: &str, more: &[(&str, &str)]) -> (String, String) {
    run_by(&mut Front::connect(server), script, more)
}

fn run_by(front: &mut Front, script: &str, more: &[(&str, &str)]) -> (String, String) {
    let usual = [("SCRIPT_FILENAME", script), ("REQUEST_METHOD", "GET")];
    let (answer, status) = front.ask(&[&usual, more].concat(), b"");
    assert_eq!(status, 0);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

fn page(server: &Server, path: &str, query: &str) -> (String, String) {
    run(server, "/no/such/file", &[("SCRIPT_NAME", path), ("QUERY_STRING", query)])
}

fn status(server: &Server) -> Value {
    serde_json::from_str(&page(server, "/status", "full&json").1).expect("JSON")
}

#[test]
fn the_status_and_the_ping_page_are_those_of_php_fpm() {
    let server = start("status_path /status\nping_path /ping alive", &[("waits.php", WAITS)]);
    wait_until("all threads wait for requests", || status(&server)["idle processes"] == 2);
    let (head, body) = page(&server, "/ping", "");
    assert!(head.starts_with("Status: 200 OK\r\n") && head.contains("Cache-Control: no-cache"), "{head}");
    assert_eq!(body, "alive");
    let (_, text) = page(&server, "/status", "");
    for line in [
        "pool:                 127.0.0.1:0",
        "process manager:      static",
        "accepted conn:        ",
        "idle processes:       2",
        "active processes:     0",
        "total processes:      2",
        "slow requests:        0",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("request URI") && page(&server, "/status", "full").1.contains("request URI: "), "{text}");
    assert!(page(&server, "/status", "html").1.contains("<th>accepted conn</th>"));
    assert!(page(&server, "/status", "xml&full").1.contains("<accepted-conn>"));
    let (head, metrics) = page(&server, "/status", "openmetrics&full");
    assert!(head.contains("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    for line in
        ["# TYPE phpfpm_idle_processes gauge", "phpfpm_up 1", "phpfpm_idle_processes 2", "phpfpm_slow_requests 0"]
    {
        assert!(metrics.lines().any(|own| own == line), "{line}: {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    assert_eq!(page(&server, "/status/", "").0.lines().next(), Some("Status: 404 Not Found"));
    let waiting = || run(&server, &at(&server, "waits.php"), &[("REQUEST_URI", "/waits?x=1"), ("QUERY_STRING", "x=1")]);
    let (running, answer) = std::thread::scope(|scope| {
        let answer = scope.spawn(waiting);
        wait_until("the script", || server.path("begun").exists());
        let running = status(&server);
        fs::write(server.path("go"), "").expect("a file");
        (running, answer.join().expect("an answer"))
    });
    assert_eq!(answer.1, "waited");
    assert_eq!((&running["active processes"], &running["max active processes"]), (&1.into(), &2.into()), "{running}");
    let threads = running["processes"].as_array().expect("a list");
    let busy = threads.iter().find(|thread| thread["state"] == "Running").expect("a thread that runs");
    assert_eq!((&busy["request uri"], &busy["request method"]), (&"/waits?x=1".into(), &"GET".into()), "{busy}");
    assert_eq!(busy["script"], at(&server, "waits.php"));
    let id = busy["pid"].as_u64().expect("a number");
    assert!(Path::new(&format!("/proc/{}/task/{id}", server.pid().as_raw_nonzero())).exists(), "{busy}");
    wait_until("the thread is idle again", || status(&server)["active processes"] == 0);
}

#[test]
fn a_slow_request_leaves_a_backtrace_and_is_not_disturbed() {
    let sleeps = "<?php function sleeps(): int { return sleep(1); }\necho 'slept ', sleeps();";
    let lines = "request_slowlog_timeout 150ms\nstatus_path /status\nworker {$DIR}/worker.php 1";
    let worker = "<?php while (frankenphp_handle_request(function () { require_once __DIR__ . '/waits.php'; })) {}";
    let files = [("waits.php", WAITS), ("sleeps.php", sleeps), ("worker.php", worker)];
    let server = start(lines, &files);
    for script in ["waits.php", "worker.php"] {
        let answer = std::thread::scope(|scope| {
            let answer = scope.spawn(|| run(&server, &at(&server, script), &[("REQUEST_URI", "/uri?x=1")]).1);
            server.wait_log(&["slow request: it has run longer", "uri=\"/uri?x=1\""]);
            let script = at(&server, script);
            server.wait_log(&["backtrace of a slow request, GET", &script]);
            server.wait_log(&["waits.php(8): Waits::forFile()"]);
            server.wait_log(&["waits.php(11): waits()"]);
            fs::write(server.path("go"), "").expect("a file");
            answer.join().expect("an answer")
        });
        assert_eq!(answer, "waited");
        fs::remove_file(server.path("go")).expect("the file is there");
    }
    server.wait_log(&["worker.php(1): include"]);
    // A signal would end the sleep early.
    assert_eq!(run(&server, &at(&server, "sleeps.php"), &[]).1, "slept 0");
    server.wait_log(&["backtrace of a slow request", "sleeps.php"]);
    assert_eq!(status(&server)["slow requests"], 3);
}

#[test]
fn a_request_that_runs_too_long_is_ended() {
    let endless = "<?php set_time_limit(0); while (true);";
    let sleeps = "<?php sleep(1000); while (true);";
    let goes_on = "<?php echo 'sent'; fastcgi_finish_request(); usleep(1200000); touch(__DIR__ . '/done');";
    let worker = "<?php while (frankenphp_handle_request(function () { if (isset($_GET['x'])) { while (true); } echo 'begun'; })) {}";
    let lines = "request_terminate_timeout 800ms\nworker {$DIR}/worker.php 1";
    let files = [("endless.php", endless), ("sleeps.php", sleeps), ("worker.php", worker), ("goes_on.php", goes_on)];
    let server = start(lines, &files);
    for script in ["endless.php", "sleeps.php", "worker.php"] {
        let (head, _) = run(&server, &at(&server, script), &[("QUERY_STRING", "x=1"), ("REQUEST_URI", "/e?x=1")]);
        assert!(head.starts_with("Status: 500 "), "{script}: {head}");
    }
    server.wait_log(&["ending a request that has run longer than request_terminate_timeout", "uri=\"/e?x=1\""]);
    server.wait_log(&["its request exceeded request_terminate_timeout", "endless.php"]);
    assert_eq!(run(&server, &at(&server, "worker.php"), &[]).1, "begun", "the worker runs again");
    assert_eq!(run(&server, &at(&server, "goes_on.php"), &[]).1, "sent");
    wait_until("a script whose response is complete goes on", || server.path("done").exists());
}

/// The flags of `igor fpm`.
#[test]
fn the_command_has_flags_for_what_pool_files_set() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = dir.path().join("a.phtml");
    fs::write(&script, "<?php echo ini_get('precision'), ini_get('memory_limit');").expect("a file");
    let script = script.display().to_string();
    let mut command = igor();
    let flags = "fpm --listen 127.0.0.1:0 --php-value precision=7 --php-admin-value memory_limit=200M --status-path /s \
                 --ping-path /p --request-slowlog-timeout 5s --request-terminate-timeout 1m --limit-extensions .phtml";
    command.args(flags.split_whitespace());
    let server = Server::spawn(command, dir);
    let line = server.wait_log(&["listening", "encrypted="]);
    let address = line.split("address=").nth(1).and_then(|rest| rest.split(' ').next()).expect("an address");
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut front = Front(stream);
    assert_eq!(run_by(&mut front, &script, &[]).1, "7200M");
    assert_eq!(run_by(&mut front, &script, &[("SCRIPT_NAME", "/p")]).1, "pong");
    assert!(run_by(&mut front, &script, &[("SCRIPT_NAME", "/s")]).1.starts_with("pool: "));
    let mut command = igor();
    command.args(["fpm", "--listen", "127.0.0.1:0", "--request-slowlog-timeout", "soon"]);
    let output = command.output().expect("the program runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("`soon` is not a duration"), "{error}");
    server.stop();
}

/// One thread, an access log with php-fpm's lines, and a variable in the environment of the process.
fn start_with_log(format: &str, php: &str, script: &str) -> Server {
    let site = format!(
        "fastcgi://127.0.0.1:0 {{\nlog {{\noutput file {{$DIR}}/access.log\nformat php_fpm {format}\n}}\nphp {{\n{php}\n}}\n}}\n"
    );
    Igor::new().frankenphp("num_threads 1").env("OF_PROCESS", "hidden").file("a.php", script).raw_site(&site).start()
}

/// The lines of the access log, once there are this many.
fn log_lines(server: &Server, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    wait_until("the access log has its lines", || {
        let text = fs::read_to_string(server.path("access.log")).unwrap_or_default();
        lines = text.lines().map(str::to_owned).collect();
        lines.len() >= count
    });
    assert_eq!(lines.len(), count, "{lines:?}");
    lines
}

#[test]
fn the_access_log_has_php_fpms_lines() {
    let format = r#""%R|%P|%u|%m|%r|%Q%q|%s|%f|%l|%n|%{HTTP_X_OWN}e|%{absent}e|%{X-Own}o|%{absent}o|%{%Y}t|%%""#;
    let script = "<?php header('X-Own: answer'); http_response_code(201); echo 'x';";
    let server = start_with_log(format, "", script);
    let script = at(&server, "a.php");
    run(
        &server,
        &format!("{script}/more"),
        &[
            ("SCRIPT_NAME", "/a.php/more"),
            ("REQUEST_URI", "/pretty?other=1"),
            ("QUERY_STRING", "a=1&token=s3cret"),
            ("HTTP_X_OWN", "sent"),
            ("HTTP_AUTHORIZATION", "Basic am9lOnNlY3JldA=="),
        ],
    );
    let year = 1970 + std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs() / 31_556_952;
    let process = server.pid().as_raw_nonzero();
    let lines = log_lines(&server, 1);
    let expected = format!(
        "127.0.0.1|{process}|joe|GET|/a.php|?a=1&token=REDACTED|201|{script}|0|127.0.0.1:0|sent|-|answer|-|{year}|%"
    );
    assert_eq!(lines[0], expected);
}

#[test]
fn the_access_log_shows_what_a_request_has_used() {
    // Eight ticks of processor time of its thread, however long that takes. The name of the thread is in brackets.
    let script = "<?php $ticks = function () { $stat = explode(' ', explode(') ', file_get_contents('/proc/thread-self/stat'))[1]); return $stat[11] + $stat[12]; };
        $until = $ticks() + 8; while ($ticks() < $until) {}
        $big = str_repeat('x', (int) ($_GET['bytes'] ?? 20 << 20)); echo strlen($big);";
    let format = r#""%C %{user}C %{system}C %d %{milli}d %{micro}d %M %{kilo}M %{mega}M %p""#;
    let server = start_with_log(format, "", script);
    let script = at(&server, "a.php");
    run(&server, &script, &[]);
    let lines = log_lines(&server, 1);
    let values: Vec<f64> = lines[0].split(' ').map(|value| value.parse().expect("a number")).collect();
    let [total, user, system, seconds, millis, micros, bytes, kilo, mega, thread] = values[..] else {
        panic!("{lines:?}")
    };
    assert!((total - user - system).abs() < 0.1 && total <= 101.0, "{lines:?}");
    let used_millis = total / 100.0 * millis;
    assert!(used_millis >= 45.0, "{used_millis} ms of the processor: {lines:?}");
    assert!(seconds >= 0.05 && millis >= 50.0 && micros >= 50_000.0 && seconds < 60.0, "{lines:?}");
    // Without PHP's own allocator, as under a sanitizer, PHP counts nothing.
    let is_counted = server.resident_bytes().is_some();
    assert!(!is_counted || bytes >= f64::from(20 << 20) && bytes < f64::from(64 << 20), "{lines:?}");
    assert!((bytes / 1024.0).floor() == kilo && (kilo / 1024.0).floor() == mega, "{lines:?}");
    assert!(Path::new(&format!("/proc/{}/task/{thread}", server.pid().as_raw_nonzero())).exists(), "{lines:?}");
}

#[test]
fn what_monitors_ask_for_is_not_in_the_access_log() {
    let format = "\"%m %r%Q%q %s\" {\nsuppress_path /ping /a.php\n}";
    let script = "<?php http_response_code((int) ($_GET['status'] ?? 200));";
    let server = start_with_log(format, "ping_path /ping", script);
    let script = at(&server, "a.php");
    let own = [("SCRIPT_NAME", "/a.php")];
    let ask = |more: &[(&str, &str)]| run(&server, &script, &[&own, more].concat());
    page(&server, "/ping", "");
    ask(&[]);
    ask(&[("REQUEST_METHOD", "HEAD")]);
    // None of these is what a monitor asks for.
    page(&server, "/ping", "a=1");
    ask(&[("QUERY_STRING", "status=500")]);
    ask(&[("REQUEST_METHOD", "DELETE")]);
    run(&server, "/no/such/file", &own);
    let expected = ["DELETE /a.php 200", "GET /a.php 404", "GET /a.php?status=500 500", "GET /ping?a=1 200"];
    // A line is written when its response has left, which two connections may do in any order.
    let mut lines = log_lines(&server, expected.len());
    lines.sort();
    assert_eq!(lines, expected);
}

const ENVIRONMENT: &str = "<?php
putenv('PUT=by the script');
echo json_encode([
    getenv('OF_PROCESS'), getenv('OF_PROCESS', true), getenv()['OF_PROCESS'] ?? false, $_ENV['OF_PROCESS'] ?? false,
    $_SERVER['OF_PROCESS'] ?? false, getenv('OWN'), getenv('OWN', true), getenv()['OWN'] ?? false, $_SERVER['OWN'] ?? false,
    trim(shell_exec('/usr/bin/env | /usr/bin/grep -c OF_PROCESS')), trim(shell_exec('echo $OWN, $PUT')), getenv('HTTP_X'),
]);
";

#[test]
fn scripts_do_not_see_a_cleared_environment() {
    let cleared = json!([
        false,
        false,
        false,
        false,
        false,
        "block",
        "block",
        "block",
        "block",
        "0",
        "block, by the script",
        "sent"
    ]);
    let kept = json!([
        "hidden",
        "hidden",
        "hidden",
        "hidden",
        "hidden",
        "block",
        false,
        "block",
        "block",
        "1",
        ", by the script",
        "sent"
    ]);
    for (directive, expected) in [("clear_env", cleared), ("clear_env off", kept)] {
        let ini = "php_admin_value variables_order EGPCS";
        let server = start_with_log("", &format!("{directive}\nenv OWN block\n{ini}"), ENVIRONMENT);
        let (_, body) = run(&server, &at(&server, "a.php"), &[("HTTP_X", "sent")]);
        let seen: Value = serde_json::from_str(&body).expect(&body);
        assert_eq!(seen, expected, "{directive}");
    }
}

/// A worker's script boots without the environment, and its requests run without it.
#[test]
fn workers_do_not_see_a_cleared_environment() {
    let worker = "<?php
        $boot = [getenv('OF_PROCESS'), $_SERVER['OF_PROCESS'] ?? false, getenv('OWN')];
        while (frankenphp_handle_request(function () use ($boot) {
            echo json_encode([...$boot, getenv('OF_PROCESS'), $_SERVER['OF_PROCESS'] ?? false, getenv('OWN'),
                trim(shell_exec('echo $OF_PROCESS$OWN'))]);
        })) {}";
    let site = "fastcgi://127.0.0.1:0 {\nphp {\nclear_env\nenv OWN block\nworker {$DIR}/worker.php 1\n}\n}\n";
    let server = Igor::new().env("OF_PROCESS", "hidden").file("worker.php", worker).raw_site(site).start();
    for _ in 0..2 {
        let (_, body) = run(&server, &at(&server, "worker.php"), &[]);
        let seen: Value = serde_json::from_str(&body).expect(&body);
        assert_eq!(seen, json!([false, false, "block", false, false, "block", "block"]));
    }
}
