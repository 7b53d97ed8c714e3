//! Reloads of the running server, and restarts of workers.

use crate::common::workers::{HANGS, READY, assert_holds, block, ensure, puppet, read, script, site};
use crate::common::{Igor, Outcome, Request, Server, igor, wait_until};
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const RELOADED: &str = "the configuration was reloaded";
const NOT_RELOADED: &str = "the configuration was not reloaded";

/// Changes the Caddyfile and sends SIGHUP. Returns the log's record of the outcome.
fn reload(server: &Server, change: impl FnOnce(String) -> String) -> String {
    let path = server.path("Caddyfile");
    let text = fs::read_to_string(&path).expect("the Caddyfile can be read");
    fs::write(&path, change(text)).expect("the Caddyfile can be written");
    hang_up(server)
}

fn hang_up(server: &Server) -> String {
    let outcome = |line: &&String| line.contains(RELOADED) || line.contains(NOT_RELOADED);
    let before = server.log.count(RELOADED) + server.log.count(NOT_RELOADED);
    server.signal(Signal::HUP);
    server.log.wait("the outcome of a reload", |lines| lines.iter().filter(outcome).nth(before).cloned())
}

fn starts(server: &Server, worker: &str) -> usize {
    let record =
        |line: &&str| line.contains("background worker started") && line.contains(&format!("worker=\"{worker}\""));
    server.log.text().lines().filter(record).count()
}

/// B52: unchanged workers continue, changed ones restart, and published arrays stay readable.
#[test]
fn unchanged_workers_go_on_and_changed_ones_restart() {
    let workers = puppet("same", READY) + &puppet("other", &format!("{READY}\nenv COLOUR red"));
    let server = block(&workers).start();
    ensure(&server, "same");
    ensure(&server, "other");
    let (same, other) = (read(&server, "same").value(), read(&server, "other").value());
    let mut puppet = server.puppet("same");

    assert_holds(&reload(&server, |text| text.replace("COLOUR red", "COLOUR blue")), &[RELOADED]);
    assert_eq!(read(&server, "same").value(), same);
    puppet.eval("frankenphp_set_vars(['still' => 'here']);").value();
    assert_eq!(read(&server, "same").value(), json!({"still": "here"}), "the same run goes on");
    wait_until("the new run", || read(&server, "other").value() != other);
    assert_eq!(server.puppet("other").eval("return getenv('COLOUR');").value(), json!("blue"));
    assert_eq!((starts(&server, "same"), starts(&server, "other")), (1, 2));
}

/// B52, B28: what was published stays readable while the new script has published nothing, and the worker counts as ready.
#[test]
fn a_changed_worker_stays_ready() {
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    let before = read(&server, "w").value();
    reload(&server, |text| text.replace("frankenphp_set_vars(['pid'", "$nothing = (['pid'"));
    wait_until("the new run", || starts(&server, "w") == 2);
    server.puppet("w").eval("return 1;").value();
    assert_eq!(read(&server, "w").value(), before);
    server.eval("frankenphp_require_background_worker('w', 0.001);").value();
}

/// B6: an invalid configuration changes nothing, and the log has its errors and their places.
#[test]
fn a_wrong_configuration_changes_nothing() {
    let server = block(&puppet("w", READY)).start();
    ensure(&server, "w");
    let before = read(&server, "w").value();
    let record = reload(&server, |text| text.replace("name w", "name w\nnmae v"));
    assert_holds(&record, &["ERROR", NOT_RELOADED, "errors"]);
    server.wait_log(&["Caddyfile:", "nmae"]);
    assert_eq!(read(&server, "w").value(), before);
    assert_eq!(starts(&server, "w"), 1);
    assert_holds(&reload(&server, |text| text.replace("nmae v\n", "")), &[RELOADED]);
    assert_eq!(starts(&server, "w"), 1);
}

/// B52: a worker that is no longer declared is unknown, even to scripts that have read it before; its run ends.
/// Declared again, it starts without a snapshot.
#[test]
fn a_removed_worker_is_gone() {
    let workers = puppet("gone", READY) + &puppet("stays", READY) + "worker {$PHP_TESTS}/worker.php 1\n";
    let server = block(&workers).start();
    ensure(&server, "gone");
    server.eval_in_worker("return frankenphp_get_vars('gone');").value();
    let mut puppet = server.puppet("gone");
    puppet.start(
        "$r = [frankenphp_get_worker_handle()]; touch(getenv('DIR') . '/waits'); stream_select($r, $w, $e, null); return 'told';",
    );
    wait_until("the worker to wait", || server.path("waits").exists());

    let without = |text: String| text.replace("name gone", "name back");
    assert_holds(&reload(&server, without), &[RELOADED]);
    assert_eq!(puppet.finish().value(), json!("told"));
    let parts = ["\"gone\"", "back", "stays"];
    for outcome in [read(&server, "gone"), server.eval_in_worker("return frankenphp_get_vars('gone');")] {
        assert_holds(&outcome.thrown("RuntimeException"), &parts);
    }
    assert_holds(&reload(&server, |text| text.replace("name back", "name gone")), &[RELOADED]);
    let nothing = read(&server, "gone").thrown("RuntimeException");
    assert_holds(&nothing, &["\"gone\"", "published"]);
    ensure(&server, "gone");
    read(&server, "gone").value();
}

/// B52, B9: a worker that a reload adds can be used at once; so can one that starts with the server.
#[test]
fn an_added_worker_starts() {
    let server = block(&puppet("old", READY)).start();
    assert_holds(&read(&server, "new").thrown("RuntimeException"), &["not", "old"]);
    let added = puppet("new", READY) + &puppet("eager", &format!("num 1\n{READY}"));
    let record = reload(&server, |text| text.replace("php_server {", &format!("php_server {{\n{added}")));
    assert_holds(&record, &[RELOADED]);
    wait_until("the eager worker", || matches!(read(&server, "eager"), Outcome::Value(_)));
    ensure(&server, "new");
    read(&server, "new").value();
}

/// B52: an HTTP worker that is declared as before keeps its run; another is restarted.
#[test]
fn http_workers_that_did_not_change_keep_their_runs() {
    let server = block("worker {\nfile {$PHP_TESTS}/worker.php\nnum 1\nenv COLOUR red\n}\n").start();
    let count = "static $count = 0; $GLOBALS['count'] = ($GLOBALS['count'] ?? 0) + 1; return [$GLOBALS['count'], getenv('COLOUR')];";
    assert_eq!(server.eval_in_worker(count).value(), json!([1, "red"]));
    reload(&server, |text| text.replace("root ", "header X-New yes\nroot "));
    assert_eq!(server.eval_in_worker(count).value(), json!([2, "red"]), "the run goes on");
    assert_eq!(server.send(&Request::post("/worker.php", "return 1;")).header("x-new"), Some("yes"));
    reload(&server, |text| text.replace("COLOUR red", "COLOUR blue"));
    assert_eq!(server.eval_in_worker(count).value(), json!([1, "blue"]));
}

/// B52: a new HTTP worker whose script does not boot is no reason to lose the one that runs.
#[test]
fn an_http_worker_that_does_not_boot_keeps_the_old_configuration() {
    let server =
        block("worker {\nfile {$PHP_TESTS}/worker.php\nnum 1\n}\n").file("broken.php", "<?php exit(3);").start();
    let with_broken = "worker {\nfile {$DIR}/broken.php\nnum 1\nmax_consecutive_failures 2\nmatch /broken/*\n}\nworker {\nfile {$PHP_TESTS}/worker.php";
    let record = reload(&server, |text| text.replace("worker {\nfile {$PHP_TESTS}/worker.php", with_broken));
    assert_holds(&record, &[NOT_RELOADED, "broken.php", "exit status 3"]);
    assert_eq!(server.eval_in_worker("return 1;").value(), json!(1));
}

/// B52: addresses are added and removed; connections to the others stay.
#[test]
fn addresses_come_and_go() {
    let server = Igor::new().site("respond first").start();
    let mut connection = server.connect();
    assert_eq!(connection.send(&Request::get("/")).text(), "first");
    let second = "\nhttp://localhost:0 {\nbind 127.0.0.1\nrespond second\n}\nhttp://127.0.0.2:0 {\nrespond third\n}\n";
    reload(&server, |text| text.replace("respond first", "respond newer") + second);
    assert_eq!(
        connection.send(&Request::get("/")).text(),
        "newer",
        "an open connection is served by the new configuration"
    );
    let added = server.wait_log(&["listening", "listener=127.0.0.2:0"]);
    let address = added.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let address = address.expect("it names the address").to_owned();
    assert!(TcpStream::connect(&address).is_ok());
    reload(&server, |text| text.replace(second, ""));
    wait_until("the address to be closed", || TcpStream::connect(&address).is_err());
    assert_eq!(connection.send(&Request::get("/")).text(), "newer");
}

/// B52: PHP reads its ini settings once, so a reload does not pretend to change them.
#[test]
fn ini_settings_need_a_restart() {
    let server = block("").frankenphp("php_ini memory_limit 64M").start();
    let record = reload(&server, |text| text.replace("64M", "96M"));
    assert_holds(&record, &[NOT_RELOADED, "php_ini", "restart"]);
    assert_eq!(server.eval("return ini_get('memory_limit');").value(), json!("64M"));
}

/// B52: snapshots outlive a change of the settings by which they are read, and of the number of threads.
#[test]
fn every_thread_can_be_replaced() {
    let server = block(&(puppet("w", READY) + "worker {$PHP_TESTS}/worker.php 2\n"))
        .frankenphp("num_threads 3\nvars {\nhardened on\nmode auto\n}")
        .start();
    ensure(&server, "w");
    let change = |text: String| text.replace("num_threads 3", "num_threads 4").replace("mode auto", "mode copy");
    assert_holds(&reload(&server, change), &[RELOADED]);
    read(&server, "w").value();
    server.eval_in_worker("return frankenphp_get_vars('w');").value();
    wait_until("the new run", || starts(&server, "w") == 2);
}

/// B52, B11: a wait for a worker that a reload replaces continues for its successor; a wait for a removed worker ends
/// with an exception.
#[test]
fn waits_outlive_a_reload() {
    let workers = puppet("slow", "env COLOUR red") + &puppet("gone", "env COLOUR red");
    let server = block(&workers).frankenphp("num_threads 3").start();
    let mut waiting = [server.connect(), server.connect()];
    for (connection, name) in waiting.iter_mut().zip(["slow", "gone"]) {
        connection.write(&Request::post(
            "/eval.php",
            format!("frankenphp_ensure_background_worker('{name}', 600); return 'ready';"),
        ));
        server.puppet(name).eval("return 1;").value();
    }
    let change = |text: String| text.replace("COLOUR red", "COLOUR blue").replace("name gone", "name other");
    assert_holds(&reload(&server, change), &[RELOADED]);
    let message = Outcome::of_response(&waiting[1].read(false)).thrown("RuntimeException");
    assert_holds(&message, &["\"gone\"", "reload has removed it"]);
    wait_until("the new run", || starts(&server, "slow") == 2);
    server.puppet("slow").eval("frankenphp_set_vars(['late']);").value();
    assert_eq!(Outcome::of_response(&waiting[0].read(false)).value(), json!("ready"));
}

/// B49, B52: a replaced script that does not end in its grace period is interrupted; its successor starts only then.
#[test]
fn a_replaced_script_that_hangs_is_interrupted() {
    let hanging = "env BOOT \"frankenphp_set_vars([getenv('COLOUR')]); if (getenv('COLOUR') === 'red') { while (true); }\"\nenv COLOUR red";
    let server = block(&puppet("w", hanging)).global("grace_period 300ms").start();
    ensure(&server, "w");
    assert_eq!(read(&server, "w").value(), json!(["red"]));
    assert_holds(&reload(&server, |text| text.replace("COLOUR red", "COLOUR blue")), &[RELOADED]);
    server.wait_log(&["interrupting a script that did not end in its grace period", "bg-w"]);
    wait_until("the successor", || read(&server, "w").value() == json!(["blue"]));
}

/// B49: what could not be interrupted at a reload, and has left since, is no reason for a stop to fail.
#[test]
fn a_thread_that_left_late_does_not_spoil_the_stop() {
    // PHP waits for a child again whatever interrupts it.
    let hangs = "<?php frankenphp_set_vars([]);
        $child = proc_open('until [ -e ' . getenv('DIR') . '/go ]; do sleep 0.05; done', [], $pipes);
        touch(getenv('DIR') . '/hangs');
        proc_close($child);";
    let worker = script("{$DIR}/w.php", "w", "num 1");
    let server = Igor::new().global("grace_period 100ms").file("w.php", hangs).site(&site(&worker)).start();
    wait_until("the wait for the child", || server.path("hangs").exists());
    ensure(&server, "w");
    // The second reload waits until the parts that the first one replaced have ended or were given up.
    for _ in 0..2 {
        assert_holds(&reload(&server, |text| text.replace("name w\n", "name other\n")), &[RELOADED]);
    }
    server.wait_log(&["a PHP thread of the last configuration could not be interrupted", "bg-w-0"]);
    assert_eq!(read(&server, "other").value(), json!([]));
    fs::write(server.path("go"), "").expect("files can be written");
    server.wait_log(&["background worker stopped", "worker=\"w\""]);
    let stopped = server.stop();
    assert!(!stopped.log.contains("ends without it"), "{}", stopped.log);
}

/// B49: a signal is not kept waiting by a reload whose new script never gets ready.
#[test]
fn a_stop_during_a_reload() {
    let server = block("worker {\nfile {$PHP_TESTS}/worker.php\nnum 1\n}\n")
        .file("slow.php", "<?php touch(getenv('DIR') . '/boots'); sleep(3600);")
        .global("grace_period 300ms")
        .start();
    let path = server.path("Caddyfile");
    let text = fs::read_to_string(&path).expect("the Caddyfile can be read");
    let slow = "php_server {\nenv DIR {$DIR}\nworker {$DIR}/slow.php 1";
    fs::write(&path, text.replace("php_server {\nenv DIR {$DIR}", slow)).expect("the Caddyfile can be written");
    server.signal(Signal::HUP);
    wait_until("the boot", || server.path("boots").exists());
    let stopped = server.stop();
    assert_holds(&stopped.log, &[NOT_RELOADED, "the server is stopping"]);
}

/// B49: nor by a configuration whose file system does not answer.
#[test]
fn a_stop_while_a_configuration_is_read() {
    let server = Igor::new().php_threads_at_most(100).site(&site("")).start();
    fs::write(server.path("no-answer"), "").expect("files can be written");
    server.signal(Signal::HUP);
    server.wait_log(&["reloading the configuration"]);
    let stopped = server.stop();
    assert_holds(&stopped.log, &[NOT_RELOADED, "the server is stopping"]);
}

/// B52: no request fails and no snapshot is missing, however often the configuration changes under load.
/// `IGOR_TEST_RELOADS` and `IGOR_TEST_CONNECTIONS` set how often and how many.
#[test]
fn requests_go_on_through_reloads() {
    let number =
        |name: &str, default: usize| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (reloads, connections) = (number("IGOR_TEST_RELOADS", 12), number("IGOR_TEST_CONNECTIONS", 16));
    let workers = puppet("same", READY)
        + &puppet("w", &format!("{READY}\nenv COLOUR 0"))
        + "worker {\nfile {$PHP_TESTS}/worker.php\nnum 2\nenv COLOUR 0\n}\n";
    let server = block(&workers).frankenphp("num_threads 6").start();
    ensure(&server, "same");
    ensure(&server, "w");
    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut resident = Vec::new();
    std::thread::scope(|scope| {
        let load = |script: &'static str| {
            let mut connection = server.connect();
            while !done.load(Ordering::Relaxed) {
                let code = "return [frankenphp_get_vars('same')['pid'], frankenphp_get_vars('w')['pid']];";
                let response = connection.send(&Request::post(script, code));
                assert_eq!(response.status, 200, "{script}: {}", response.text());
                Outcome::of_response(&response).value();
                served.fetch_add(1, Ordering::Relaxed);
            }
        };
        for number in 0..connections {
            scope.spawn(move || load(if number % 2 == 0 { "/eval.php" } else { "/worker.php" }));
        }
        let stop_load = StopOnDrop(&done);
        for round in 0..reloads {
            let before = served.load(Ordering::Relaxed);
            let change = |text: String| text.replace(&format!("COLOUR {round}\n"), &format!("COLOUR {}\n", round + 1));
            assert_holds(&reload(&server, change), &[RELOADED]);
            wait_until("requests", || served.load(Ordering::Relaxed) > before + connections);
            resident.push(server.resident_bytes());
        }
        drop(stop_load);
    });
    // Allocators warm up; after the first half nothing may grow by more than a few megabytes, however long the run.
    let growth = server.growth_since(resident[reloads / 2]);
    assert!(growth < 16 << 20, "resident memory grew by {growth} bytes: {resident:?}");
    assert_eq!(starts(&server, "same"), 1);
}

/// Ends the load also when an assertion fails, so that the test ends.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// B51: a change of a watched file restarts the workers of its block, a burst of changes once.
#[test]
fn watched_files_restart_the_workers_of_their_block() {
    let watching = puppet("w", &format!("watch {{$DIR}}/src/**/*.php\n{READY}"));
    let server = Igor::new()
        .hosts(&[
            ("one", &site(&(watching + "worker {$PHP_TESTS}/worker.php 1\n"))),
            ("two", &site(&puppet("v", READY))),
        ])
        .file("src/deep/a.php", "<?php // 1")
        .start();
    let value = |host: &str, code: &str| server.eval_at(host, code).value();
    value("one", "frankenphp_ensure_background_worker('w');");
    value("two", "frankenphp_ensure_background_worker('v');");
    let before = value("one", "return frankenphp_get_vars('w');");
    let of_two = value("two", "return frankenphp_get_vars('v');");

    fs::write(server.path("src/deep/readme.txt"), "no script").expect("files can be written");
    fs::read(server.path("src/deep/a.php")).expect("files can be read");
    server.while_stopped(|| {
        for number in 0..20 {
            fs::write(server.path(&format!("src/deep/{number}.php")), "<?php // 2").expect("files can be written");
        }
    });
    wait_until("the new run", || value("one", "return frankenphp_get_vars('w');") != before);
    server.wait_log(&["workers restarted", "workers=2"]);
    server.wait_log(&["worker script ended for a restart"]);
    assert_eq!(server.log.count("watched files have changed"), 1, "{}", server.log.text());
    assert_eq!((starts(&server, "w"), starts(&server, "v")), (2, 1));
    assert_eq!(value("two", "return frankenphp_get_vars('v');"), of_two);
}

/// Writes a file that says to be so many minutes old: opcache takes none into its memory that is younger than two seconds.
fn write_aged(path: &Path, content: &str, minutes: u64) {
    fs::write(path, content).expect("files can be written");
    let changed = SystemTime::now() - Duration::from_secs(60 * minutes);
    let file = fs::File::options().write(true).open(path).expect("the file is there");
    file.set_modified(changed).expect("the time of a file can be set");
}

/// A release of an application: a page and a feed, which both show the release.
fn release(folder: &Path, number: u32, minutes: u64) {
    fs::create_dir_all(folder).expect("folders can be made");
    let feed = format!(
        "<?php require __DIR__ . '/lib.php'; frankenphp_set_vars([{number}, lib()]);
         $r = [frankenphp_get_worker_handle()]; $n = null; stream_select($r, $n, $n, null);"
    );
    let page = format!(
        "<?php require __DIR__ . '/lib.php'; frankenphp_require_background_worker('feed');
         while (frankenphp_handle_request(function () {{
             echo json_encode([{number}, lib(), frankenphp_get_vars('feed'), (int) ini_get('opcache.revalidate_freq')]);
         }}));"
    );
    write_aged(&folder.join("lib.php"), &format!("<?php function lib() {{ return {number}; }}"), minutes);
    write_aged(&folder.join("feed.php"), &feed, minutes);
    write_aged(&folder.join("page.php"), &page, minutes);
}

/// B50, B51: after a restart the current files run. opcache looks at a file every two seconds at most, and PHP
/// remembers for two minutes where a symbolic link led; a deployment changes either, and restarts the workers once.
#[test]
fn a_restart_runs_the_code_that_is_there() {
    let releases = tempfile::tempdir().expect("a temporary folder can be made");
    let (first, current) = (releases.path().join("first"), releases.path().join("current"));
    release(&first, 1, 60);
    symlink("first", &current).expect("links can be made");
    let root = current.to_str().expect("the folder's name is text");
    let server = Igor::new()
        .admin()
        .frankenphp("php_ini opcache.revalidate_freq 3600")
        .site(&format!(
            "php_server {{\nroot {root}\nresolve_root_symlink off\nworker page.php 1\n\
             worker feed.php {{\nbackground\nname feed\nnum 1\n}}\n}}"
        ))
        .start();
    let restart = || {
        let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", ""));
        assert_eq!(answer.json(), json!({"workers": 2, "stuck": []}));
    };
    let seen = |number: u32| {
        wait_until("the feed of the release", || server.get("/page.php").json()[2] == json!([number, number]));
        assert_eq!(server.get("/page.php").json(), json!([number, number, [number, number], 3600]));
    };
    seen(1);
    release(&first, 2, 50);
    restart();
    seen(2);
    release(&releases.path().join("second"), 3, 70);
    fs::remove_file(&current).and_then(|()| symlink("second", &current)).expect("links can be changed");
    restart();
    seen(3);
}

/// B52: reloads that come close together all take effect, as none of them has new workers to wait for.
#[test]
fn reloads_of_what_runs_already_do_not_end_each_other() {
    let server =
        Igor::new().admin().site("root {$PHP_TESTS}\nphp_server {\nworker {$PHP_TESTS}/worker.php 1\n}").start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let answer = server.ask_admin(&Request::post("/load", ""));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                }
            });
        }
    });
    assert_eq!(server.log.count(NOT_RELOADED), 0);
}

/// A worker whose script never comes to its first request keeps no later configuration out.
#[test]
fn a_newer_reload_ends_the_wait_for_a_boot() {
    let server = Igor::new().admin().global("grace_period 100ms").site(&site("")).start();
    let path = server.path("Caddyfile");
    let good = fs::read_to_string(&path).expect("the Caddyfile can be read");
    let boot = "touch(getenv('DIR') . '/boots'); while (true) { sleep(1); }";
    let hanging =
        good.replace("env DIR", &format!("worker {{$PHP_TESTS}}/worker.php 1 {{\nenv BOOT `{boot}`\n}}\nenv DIR"));
    let hang = || {
        fs::write(&path, &hanging).expect("the Caddyfile can be written");
        server.signal(Signal::HUP);
        wait_until("the boot", || server.path("boots").exists());
    };
    for newer in ["SIGHUP", "POST /load"] {
        hang();
        fs::write(&path, &good).expect("the Caddyfile can be written");
        let before = server.log.count(RELOADED);
        match newer {
            "SIGHUP" => server.signal(Signal::HUP),
            _ => assert_eq!(server.ask_admin(&Request::post("/load", "")).status, 200),
        }
        wait_until("the newer configuration", || server.log.count(RELOADED) == before + 1);
        server.wait_log(&[NOT_RELOADED, "a newer reload came"]);
        fs::remove_file(server.path("boots")).expect("files can be removed");
    }
    assert_eq!(server.log.count(NOT_RELOADED), 2);
    assert_eq!(server.eval("return 1;").value(), 1);
    // Nor does it delay the server's end.
    hang();
    assert_holds(&server.stop().log, &["the server is stopping"]);
}

/// B51: when the system drops reports, because too many files changed at once, watched ones may be among them.
#[test]
fn changes_that_the_system_did_not_report_restart_the_workers() {
    let server = block(&puppet("w", &format!("watch {{$DIR}}/src/*.php\n{READY}"))).file("src/a.txt", "").start();
    ensure(&server, "w");
    let reports = "/proc/sys/fs/inotify/max_queued_events";
    let reports = fs::read_to_string(reports).expect("the system tells it").trim().parse::<usize>().expect("a number");
    let (one, other) = (server.path("src/a.txt"), server.path("src/b.txt"));
    // While the server is stopped nothing takes the reports, two of each renaming. Twice as many as there is room for: the
    // signal takes a moment to reach every thread.
    server.signal(Signal::STOP);
    for _ in 0..reports / 2 + 1 {
        fs::rename(&one, &other).and_then(|()| fs::rename(&other, &one)).expect("files can be renamed");
    }
    server.signal(Signal::CONT);
    server.wait_log(&["WARN", "more files changed at once", "max_queued_events"]);
    server.wait_log(&["workers restarted", "workers=1"]);
}

/// B50, B46, B48, B49: a restart counts no failure, cuts a backoff short, revives what was given up, and interrupts what does
/// not end.
#[test]
fn a_restart_gets_every_worker_running_again() {
    let watch = "watch {$DIR}/go";
    let failing =
        "env BOOT \"if (!file_exists(getenv('DIR') . '/mended')) { exit(4); } frankenphp_set_vars(['good']);\"";
    let workers = puppet(
        "hangs",
        &format!(
            "{watch}\nenv BOOT \"frankenphp_set_vars([hrtime()]); if (!file_exists(getenv('DIR') . '/mended')) {{ while (true); }}\""
        ),
    ) + &puppet("given-up", &format!("max_consecutive_failures 1\n{failing}"))
        + &puppet("retries", &format!("max_consecutive_failures -1\n{failing}"));
    let server = block(&workers).global("grace_period 300ms").file("go", "").frankenphp("num_threads 2").start();
    ensure(&server, "hangs");
    let before = read(&server, "hangs").value();
    server.eval("frankenphp_ensure_background_worker('given-up');").thrown("RuntimeException");
    server.wait_log(&["given up", "worker=\"given-up\""]);
    server.eval("frankenphp_ensure_background_worker('retries', 0.01);").thrown("RuntimeException");

    fs::write(server.path("mended"), "").expect("files can be written");
    server.while_stopped(|| fs::write(server.path("go"), "now").expect("files can be written"));
    server.wait_log(&["interrupting a script that did not end in its grace period", "bg-hangs"]);
    for name in ["given-up", "retries"] {
        wait_until("the worker", || read(&server, name) == Outcome::Value(json!(["good"])));
    }
    wait_until("the new run", || read(&server, "hangs").value() != before);
    server.wait_log(&["background worker ended for a restart", "worker=\"hangs\""]);
}

/// A server, and the messages to its service manager.
fn notifying() -> (Server, impl Fn() -> String) {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket can be made");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    let message = move || {
        let mut bytes = [0; 4096];
        let length = socket.recv(&mut bytes).expect("the server tells");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    fs::write(dir.path().join("Caddyfile"), "{\nadmin off\n}\nhttp://127.0.0.1:0 {\nrespond ok\n}\n")
        .expect("files can be written");
    let mut command = igor();
    command.arg("run").arg("--config").arg(dir.path().join("Caddyfile"));
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "60000000");
    (Server::spawn(command, dir).wait_listening(), message)
}

/// A service manager is notified when the server serves, reloads and stops.
#[test]
fn the_service_manager_is_told() {
    let (mut server, message) = notifying();
    let mut messages = vec![message(), message()];
    hang_up(&server);
    messages.extend([message(), message()]);
    messages.sort();
    assert_eq!(messages[..3], ["READY=1\n", "READY=1\n", messages[2].as_str()].map(String::from));
    assert!(messages[2].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{messages:?}");
    assert_eq!(messages[3], "WATCHDOG=1\n");
    server.stop_by(Signal::TERM);
    assert_eq!(message(), "STOPPING=1\n");
}

/// B49: whatever a worker hangs in, a restart ends it, and the same thread runs its script again.
#[test]
fn every_hang_ends_by_a_restart() {
    let mut workers = String::new();
    let mut igor = Igor::new().global("grace_period 300ms").file("go", "");
    for (number, (_, code)) in HANGS.iter().enumerate() {
        let name = format!("w{number}");
        workers += &script(&format!("{{$DIR}}/{name}.php"), &name, "num 1\nwatch {$DIR}/go");
        let text = format!(
            "<?php $again = file_exists(getenv('DIR') . '/again');
            frankenphp_set_vars(['again' => $again]);
            if ($again) {{ $r = [frankenphp_get_worker_handle()]; stream_select($r, $w, $e, null); exit; }}
            touch(getenv('DIR') . '/{name}.hangs'); {code}"
        );
        igor = igor.file(&format!("{name}.php"), &text);
    }
    let server = igor.site(&site(&workers)).start();
    for number in 0..HANGS.len() {
        wait_until("every worker to hang", || server.path(&format!("w{number}.hangs")).exists());
    }
    fs::write(server.path("again"), "").expect("files can be written");
    server.while_stopped(|| fs::write(server.path("go"), "now").expect("files can be written"));
    for (number, (what, _)) in HANGS.iter().enumerate() {
        let name = format!("w{number}");
        wait_until(what, || read(&server, &name) == Outcome::Value(json!({"again": true})));
        server.wait_log(&["background worker started", &format!("worker=\"{name}\""), "thread=0 run=2"]);
    }
    assert_eq!(server.log.count("interrupting a script that did not end"), HANGS.len(), "{}", server.log.text());
}
