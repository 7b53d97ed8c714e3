//! How the server stops: its signals, orderly ends, and interrupts.

use crate::common::workers::HANGS;
use crate::common::{Connection, Igor, Request, Server, free_address, igor as igor_command, wait_until};
use rustix::process::{Pid, Signal};
use std::fs;
use std::net::{TcpListener, TcpStream};

/// Scripts are interrupted soon after the signal.
const SHORT: &str = "grace_period 100ms";

fn igor(workers: &str) -> Igor {
    Igor::new()
        .frankenphp("num_threads 2")
        .site(&format!("root {{$PHP_TESTS}}\nphp_server {{\nenv DIR {{$DIR}}\n{workers}\n}}"))
}

/// Stops a server in which a script hangs, and proves that the script was interrupted.
fn assert_interrupted(mut server: Server, what: &str) {
    let stopped = server.stop_by(Signal::TERM);
    assert!(
        stopped.log.contains("interrupting a script that did not end in its grace period"),
        "{what}: {}",
        stopped.log
    );
}

/// B49
#[test]
fn signals_that_stop_the_server() {
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT] {
        let address = free_address();
        let site = format!("http://{address} {{\nroot {{$PHP_TESTS}}\nphp_server\n}}\n");
        let mut server = Igor::new().raw_site(&site).start();
        assert_eq!(server.eval("return 1;").value(), 1);
        let stopped = server.stop_by(signal);
        assert!(stopped.log.contains("stopping"), "{}", stopped.log);
        assert!(!stopped.log.contains("interrupting"), "nothing had to be interrupted: {}", stopped.log);
        TcpListener::bind(address).expect("the port is free again");
    }
}

/// B49
#[test]
fn a_running_request_completes() {
    let server = igor("").global("grace_period 30s").start();
    let mut connection = server.connect();
    connection.write(&Request::get("/classic/pause.php"));
    connection.read_head();
    assert_eq!(connection.read_chunk().expect("a chunk"), Some(b"first".to_vec()));
    server.signal(Signal::TERM);
    server.wait_log(&["stopping", "SIGTERM"]);
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(connection.read_chunk().expect("a chunk"), Some(b"second".to_vec()));
    assert_eq!(connection.read_chunk().expect("the end"), None);
    let stopped = server.ended();
    assert!(stopped.status.success() && !stopped.log.contains("interrupting"), "{}", stopped.log);
}

/// B49
#[test]
fn a_running_request_of_an_http_worker_completes() {
    let server = igor("worker {$PHP_TESTS}/worker.php 1").global("grace_period 30s").start();
    let mut connection = server.connect();
    let code = "touch(getenv('DIR') . '/waiting'); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); } return 'done';";
    connection.write(&Request::post("/worker.php", code));
    wait_until("the request", || server.path("waiting").exists());
    server.signal(Signal::TERM);
    server.wait_log(&["stopping", "SIGTERM"]);
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(connection.read(false).json()["value"], "done");
    assert!(server.ended().status.success());
}

/// D13: the request of one has used up the grace period; those that are idle clean up all the same.
#[test]
fn idle_workers_clean_up_while_another_is_interrupted() {
    let worker = "<?php while (frankenphp_handle_request(function () {
            if (isset($_GET['hang'])) { touch(getenv('DIR') . '/hangs'); while (true) { usleep(1000); } }
        })); usleep(300000); file_put_contents(getenv('DIR') . '/cleaned', '.', FILE_APPEND);";
    // Far more than the idle ones take.
    let mut server = Igor::new()
        .global("grace_period 2s")
        .file("work.php", worker)
        .site("root {$DIR}\nphp_server {\nenv DIR {$DIR}\nworker {$DIR}/work.php 3\n}")
        .start();
    let mut connection = server.connect();
    connection.write(&Request::get("/work.php?hang"));
    wait_until("the request", || server.path("hangs").exists());
    let log = server.stop_by(Signal::TERM).log;
    assert_eq!(fs::read_to_string(server.path("cleaned")).expect("they have cleaned up"), "..");
    assert_eq!(log.matches("interrupting a script").count(), 1, "{log}");
}

/// A worker of three threads. A request for `?wait` lasts until there is a file `go`; each script that ends leaves a dot.
fn waiting_workers() -> Server {
    let worker = "<?php while (frankenphp_handle_request(function () {
            touch(getenv('DIR') . '/runs');
            while (isset($_GET['wait']) && !file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); }
            echo getenv('ROUND'), ' served';
        })); file_put_contents(getenv('DIR') . '/cleaned', '.', FILE_APPEND);";
    Igor::new()
        .global("grace_period 60s")
        .file("work.php", worker)
        .site("root {$DIR}\nphp_server {\nenv DIR {$DIR}\nenv ROUND 1\nworker {$DIR}/work.php 3\n}")
        .start()
}

/// One request has a thread, another is still arriving while `end` is carried out: the idle threads end at once, and both
/// requests are served.
fn assert_idle_end_first(server: &Server, end: impl FnOnce(&Server)) {
    let cleaned = |count: usize| {
        let seen = || fs::read_to_string(server.path("cleaned")).unwrap_or_default().len();
        wait_until(&format!("{count} scripts that have ended"), || seen() == count);
    };
    let (mut running, mut arriving) = (server.connect(), server.connect());
    running.write(&Request::get("/work.php?wait"));
    arriving.write_raw(b"POST /work.php HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab");
    wait_until("the request", || server.path("runs").exists());
    end(server);
    cleaned(2);
    arriving.write_raw(b"cd");
    assert_eq!(arriving.read(false).text(), "1 served");
    cleaned(3);
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(running.read(false).text(), "1 served");
    cleaned(4);
}

/// D13: idle workers do not wait for the requests of others with their clean-up.
#[test]
fn at_a_stop_idle_workers_end_at_once() {
    let server = waiting_workers();
    assert_idle_end_first(&server, |server| server.signal(Signal::TERM));
    let log = server.ended().log;
    assert!(!log.contains("interrupting") && !log.contains("failed in a request"), "{log}");
}

/// D13: so it is with those that a reload replaces.
#[test]
fn at_a_reload_replaced_idle_workers_end_at_once() {
    let server = waiting_workers();
    assert_idle_end_first(&server, |server| {
        let file = server.path("Caddyfile");
        let text = fs::read_to_string(&file).expect("the configuration");
        fs::write(&file, text.replace("ROUND 1", "ROUND 2")).expect("files can be written");
        server.signal(Signal::HUP);
        server.wait_log(&["the configuration was reloaded"]);
    });
    assert_eq!(server.send(&Request::get("/work.php")).text(), "2 served");
}

/// B49
#[test]
fn idle_connections_do_not_hold_the_server() {
    let server = igor("").global("grace_period 30s").start();
    let mut connections: Vec<_> = (0..10).map(|_| server.connect()).collect();
    for connection in &mut connections[..5] {
        assert_eq!(connection.send(&Request::get("/classic/show.php")).status, 200);
    }
    assert!(!server.stop().log.contains("cut off"));
}

/// B49
#[test]
fn a_background_worker_that_heeds_its_handle_is_not_interrupted() {
    let worker = "worker {$PHP_TESTS}/puppet.php 2 {\nbackground\nname w\nenv BOOT \"register_shutdown_function(fn () => file_put_contents(getenv('DIR') . '/ended', '.', FILE_APPEND)); frankenphp_set_vars([]);\"\n}";
    let mut server = igor(worker).start();
    server.wait_log(&["background worker ready"]);
    drop((server.puppet_thread("w", 0), server.puppet_thread("w", 1)));
    let stopped = server.stop_by(Signal::TERM);
    assert_eq!(fs::read_to_string(server.path("ended")).expect("the shutdown functions ran"), "..");
    assert!(!stopped.log.contains("interrupting"), "{}", stopped.log);
    assert_eq!(stopped.log.matches("background worker stopped").count(), 2);
}

/// B49
#[test]
fn a_hanging_background_worker_is_interrupted() {
    for (what, code) in HANGS {
        let server = igor("worker {$DIR}/w.php 1 {\nbackground\nname w\n}")
            .global(SHORT)
            .file("w.php", &format!("<?php frankenphp_set_vars([]); touch(getenv('DIR') . '/hangs'); {code}"))
            .start();
        wait_until(what, || server.path("hangs").exists());
        assert_interrupted(server, what);
    }
}

/// B49
#[test]
fn a_hanging_request_is_interrupted() {
    for (what, code) in HANGS {
        let server = igor("").global(SHORT).start();
        let mut connection = server.connect();
        connection.write(&Request::post(
            "/eval.php?raw",
            format!("set_time_limit(0); touch(getenv('DIR') . '/hangs'); {code}"),
        ));
        wait_until(what, || server.path("hangs").exists());
        assert_interrupted(server, what);
    }
}

/// B49
#[test]
fn a_hanging_request_of_an_http_worker_is_interrupted() {
    for (what, code) in HANGS {
        let server = igor("worker {$PHP_TESTS}/worker.php 1").global(SHORT).start();
        let mut connection = server.connect();
        connection.write(&Request::post(
            "/worker.php?raw",
            format!("set_time_limit(0); touch(getenv('DIR') . '/hangs'); {code}"),
        ));
        wait_until(what, || server.path("hangs").exists());
        assert_interrupted(server, what);
    }
}

/// B49: a shutdown function runs after the interruption, and may hang again.
#[test]
fn a_shutdown_function_that_hangs_is_interrupted_too() {
    let server = igor("worker {$DIR}/w.php 1 {\nbackground\nname w\n}")
        .global(SHORT)
        .file(
            "w.php",
            "<?php register_shutdown_function(function () { while (true) { sleep(3600); } });
             class D { function __destruct() { while (true); } } $d = new D;
             frankenphp_set_vars([]); touch(getenv('DIR') . '/hangs'); while (true);",
        )
        .start();
    wait_until("the loop", || server.path("hangs").exists());
    assert_interrupted(server, "shutdown function");
}

/// B49: a script that cannot be interrupted is logged, and the process ends anyway.
#[test]
fn a_script_that_cannot_be_interrupted_does_not_hold_the_process() {
    let server = igor("worker {$DIR}/w.php 1 {\nbackground\nname w\n}")
        .global(SHORT)
        .file(
            "w.php",
            "<?php\nfrankenphp_set_vars([]);\nini_set('pcre.jit', '0');\nini_set('pcre.backtrack_limit', '9223372036854775807');\n\
             touch(getenv('DIR') . '/hangs');\npreg_match('/^(a+)+$/', str_repeat('a', 100) . 'b');\n",
        )
        .start();
    wait_until("the runaway regex", || server.path("hangs").exists());
    server.signal(Signal::TERM);
    let stopped = server.ended();
    assert_eq!(stopped.status.code(), Some(70), "{}", stopped.log);
    let record =
        stopped.log.lines().find(|line| line.contains("could not be interrupted")).expect("a record").to_owned();
    assert!(record.contains("ERROR") && record.contains("w.php:6"), "{record}");
}

/// B21, B49: a script that waits for a worker gets an exception when the server stops.
#[test]
fn waits_end_when_the_server_stops() {
    let server = igor("worker {$PHP_TESTS}/puppet.php 1 {\nbackground\nname w\n}").global("grace_period 30s").start();
    let mut waiting = server.connect();
    waiting.write(&Request::post(
        "/eval.php",
        "touch(getenv('DIR') . '/waits'); frankenphp_ensure_background_worker('w', 3600);",
    ));
    wait_until("the wait", || server.path("waits").exists());
    server.signal(Signal::TERM);
    let message = crate::common::Outcome::of_response(&waiting.read(false)).thrown("RuntimeException");
    assert!(message.contains("\"w\"") && message.contains("the server is stopping"), "{message}");
    assert!(server.ended().status.success());
}

/// B47, B49: a server whose workers crash in a loop stops as well.
#[test]
fn a_crash_loop_does_not_hold_the_server() {
    let server = igor("worker {$DIR}/w.php 4 {\nbackground\nname w\nmax_consecutive_failures -1\n}")
        .file("w.php", "<?php exit(1);")
        .start();
    server.wait_log(&["background worker failed", "attempt=2 "]);
    assert!(!server.stop().log.contains("interrupting"));
}

/// The log's level changes nothing but the log: a server that logs errors alone serves until it is asked to stop.
#[test]
fn a_server_whose_log_is_silent_serves_until_the_signal() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let address = free_address();
    let config = format!("{{\nadmin off\nlog {{\nlevel ERROR\n}}\n}}\nhttp://{address} {{\nroot .\nphp_server\n}}\n");
    fs::write(dir.path().join("Caddyfile"), config).expect("writing the configuration");
    fs::write(dir.path().join("index.php"), "<?php echo 'served';").expect("writing the script");
    let mut server = igor_command().arg("run").current_dir(dir.path()).spawn().expect("starting igor");
    wait_until("the server accepts", || TcpStream::connect(address).is_ok());
    for _ in 0..20 {
        assert_eq!(Connection::open(address).send(&Request::get("/")).text(), "served");
    }
    assert_eq!(server.try_wait().expect("asking for the server"), None, "it runs until it is told to stop");
    rustix::process::kill_process(Pid::from_child(&server), Signal::INT).expect("sending the signal");
    assert_eq!(server.wait().expect("waiting for the server").code(), Some(0));
}

/// B49: a script that sets handlers for the server's signals, as console applications do, does not take them away.
#[test]
fn scripts_do_not_take_the_servers_signals() {
    let server = igor("").start();
    let code = "pcntl_async_signals(true);
        foreach ([SIGTERM, SIGHUP, SIGPIPE] as $signal) {
            $set[] = pcntl_signal($signal, function () {});
        }
        return $set;";
    assert_eq!(server.eval(code).value(), serde_json::json!([true, true, true]));
    server.wait_log(&["pcntl_signal(): signal 13 is the server's"]);
    server.signal(Signal::HUP);
    server.wait_log(&["the configuration was reloaded"]);
    server.stop();
}
