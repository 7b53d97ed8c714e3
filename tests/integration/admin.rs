//! The admin interface: its pages, its actions, and its refusals.

use crate::common::workers::{READY, assert_holds, block, ensure, puppet, read, script, site};
use crate::common::{Connection, Igor, Request, Server, wait_for, wait_until};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

/// The value of the metric with this name and these labels.
fn metric(server: &Server, name: &str) -> Option<f64> {
    let text = server.ask_admin(&Request::get("/metrics")).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
    line.map(|value| value.parse().unwrap_or_else(|error| panic!("{name} {value}: {error}")))
}

/// The `worker` label of a worker that the first site declares.
fn label(server: &Server, name: &str) -> String {
    format!("m#{}:{name}", server.seen_worker(name)["scope"].as_str().expect("a label"))
}

/// B53: each number of a background worker, with the label that distinguishes the scopes.
#[test]
fn metrics_of_a_background_worker() {
    let server = block(&puppet("w", "max_consecutive_failures -1")).admin().start();
    let label = label(&server, "w");
    let of = |name: &str| metric(&server, &format!("{name}{{worker=\"{label}\"}}"));
    assert_eq!(of("igor_worker_starts_total"), Some(0.0));
    assert_eq!(of("igor_worker_snapshot_bytes"), None, "there is no snapshot yet");
    assert_eq!(of("igor_worker_last_publish_seconds"), None);

    server.eval("try { frankenphp_ensure_background_worker('w', 0.001); } catch (RuntimeException) {}").value();
    let mut w = server.puppet("w");
    w.eval("frankenphp_set_vars(['a' => 1]); frankenphp_set_vars(['a' => 1]); frankenphp_set_vars(['a' => 2]);")
        .value();
    assert_eq!(read(&server, "w").value(), json!({"a": 2}));
    for (name, value) in [
        ("igor_worker_starts_total", 1.0),
        ("igor_worker_ready_total", 1.0),
        ("igor_worker_publishes_total", 2.0),
        ("igor_worker_publishes_skipped_total", 1.0),
        ("igor_worker_snapshot_version", 2.0),
        ("igor_worker_reads_total", 1.0),
        ("igor_worker_failures_total", 0.0),
        ("igor_worker_give_ups_total", 0.0),
        ("igor_worker_kills_total", 0.0),
        ("igor_worker_waiters", 0.0),
        ("igor_worker_ready", 1.0),
        ("frankenphp_total_workers", 1.0),
        ("frankenphp_ready_workers", 1.0),
    ] {
        assert_eq!(of(name), Some(value), "{name}");
    }
    assert!(of("igor_worker_snapshot_bytes").is_some_and(|bytes| bytes > 100.0));
    assert!(of("igor_worker_last_publish_seconds").is_some_and(|age| (0.0..30.0).contains(&age)));

    w.doom("exit(3);");
    wait_until("the second run", || of("igor_worker_starts_total") == Some(2.0));
    let restarts = |reason: &str| {
        metric(&server, &format!("igor_worker_restarts_total{{worker=\"{label}\",reason=\"{reason}\"}}"))
    };
    assert_eq!((restarts("exit"), restarts("failure")), (Some(0.0), Some(1.0)));
    assert_eq!(of("frankenphp_worker_crashes"), Some(1.0));
    let mut again = server.puppet("w");
    again.eval("frankenphp_set_vars(['a' => 3]);").value();
    again.doom("exit(0);");
    wait_until("the third run", || of("igor_worker_starts_total") == Some(3.0));
    assert_eq!((restarts("exit"), restarts("failure")), (Some(1.0), Some(1.0)));
    assert_eq!(of("frankenphp_worker_restarts"), Some(1.0));
}

/// B53: the names and meanings of FrankenPHP.
#[test]
fn metrics_of_an_http_worker_and_of_the_threads() {
    let server = Igor::new()
        .admin()
        .frankenphp("num_threads 3")
        .site(&site("worker {$PHP_TESTS}/worker.php 2 {\nname app\n}"))
        .start();
    for _ in 0..3 {
        server.eval_in_worker("return 1;").value();
    }
    let answer = server.ask_admin(&Request::get("/metrics"));
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = answer.text();
    let scope = text.split_once("m#").and_then(|(_, rest)| rest.split_once(":app\"")).expect("a label").0.to_owned();
    let of = |name: &str| metric(&server, &format!("{name}{{worker=\"m#{scope}:app\"}}"));
    for (name, value) in [
        ("frankenphp_total_workers", 2.0),
        ("frankenphp_ready_workers", 2.0),
        ("frankenphp_worker_crashes", 0.0),
        ("frankenphp_worker_restarts", 0.0),
        ("frankenphp_worker_queue_depth", 0.0),
    ] {
        assert_eq!(of(name), Some(value), "{name}");
    }
    // A thread answers a moment before it counts.
    wait_until("the requests", || of("frankenphp_worker_request_count") == Some(3.0));
    wait_until("the threads", || of("frankenphp_busy_workers") == Some(0.0));
    assert!(of("frankenphp_worker_request_time").is_some_and(|seconds| seconds > 0.0));
    assert_eq!(metric(&server, "frankenphp_total_threads"), Some(3.0), "two of the worker, and a classic one");
    assert_eq!(metric(&server, "frankenphp_busy_threads"), Some(2.0));
    assert_eq!(metric(&server, "frankenphp_queue_depth"), Some(0.0));
    server.send(&Request::post("/worker.php?raw", "exit(9);"));
    wait_until("the crash", || of("frankenphp_worker_crashes") == Some(1.0));
}

/// B54: why a worker does not become ready, and which threads wait for it.
#[test]
fn a_worker_that_does_not_come_up_is_explained() {
    let server = block(&script("{$DIR}/w.php", "w", "max_consecutive_failures -1"))
        .file("w.php", "<?php\n\nthrow new DomainException('no redis');\n")
        .admin()
        .start();
    let seen = server.seen_worker("w");
    assert_eq!((&seen["state"], &seen["run"], &seen["version"]), (&json!("idle"), &json!(0), &json!(0)));
    let mut waiting = server.connect();
    waiting.write(&Request::post("/eval.php", "frankenphp_ensure_background_worker('w', 3600);"));
    let seen = wait_for("a failure and a waiter", || {
        let seen = server.seen_worker("w");
        let waits = seen["waiters"].as_array().is_some_and(|waiters| !waiters.is_empty());
        (waits && seen["attempts"].as_u64() > Some(1)).then_some(seen)
    });
    assert_eq!(seen["state"], "starting");
    assert_eq!(seen["file"], json!(server.path("w.php")));
    assert_eq!(seen["last_exit_status"], 255);
    assert_eq!((&seen["bytes"], &seen["age_seconds"]), (&json!(null), &json!(null)));
    let error = &seen["last_error"];
    assert_eq!(error["message"], "Fatal error: Uncaught DomainException: no redis");
    assert_eq!((&error["file"], &error["line"]), (&json!(server.path("w.php")), &json!(3)));
    let waiter = &seen["waiters"][0];
    assert!(waiter["thread"].as_str().is_some_and(|name| name.starts_with("php-")), "{waiter}");
    assert!(waiter["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{waiter}");
    fs::write(server.path("w.php"), "<?php frankenphp_set_vars([1]); $r = [frankenphp_get_worker_handle()]; $w = $e = null; stream_select($r, $w, $e, null);").expect("files can be written");
    assert_eq!(waiting.read(false).status, 200);
    let seen = server.seen_worker("w");
    assert_eq!((&seen["state"], &seen["version"], &seen["waiters"]), (&json!("ready"), &json!(1), &json!([])));
    assert!(seen["bytes"].as_u64() > Some(0) && seen["age_seconds"].as_f64() >= Some(0.0), "{seen}");
}

/// B54: a background worker that waits for another is named by its thread; one that was given up says so.
#[test]
fn waits_between_workers_and_given_up_ones_are_seen() {
    let waiting =
        puppet("waits", "env BOOT \"frankenphp_ensure_background_worker('slow', 3600); frankenphp_set_vars([]);\"");
    let failing = script("{$DIR}/fails.php", "fails", "max_consecutive_failures 2");
    let server =
        block(&format!("{waiting}{}{failing}", puppet("slow", ""))).file("fails.php", "<?php exit(4);").admin().start();
    let message = server.eval("frankenphp_ensure_background_worker('fails', 3600);").thrown("RuntimeException");
    assert_holds(&message, &["given up"]);
    let seen = server.seen_worker("fails");
    assert_eq!(
        (&seen["state"], &seen["attempts"], &seen["last_exit_status"]),
        (&json!("given up"), &json!(2), &json!(4))
    );
    assert_eq!(seen["counts"]["give_ups"], 1);
    server.eval("try { frankenphp_ensure_background_worker('waits', 0.001); } catch (RuntimeException) {}").value();
    wait_until("the waiter", || server.seen_worker("slow")["waiters"][0]["thread"] == "bg-waits-0");
    server.puppet("slow").eval("frankenphp_set_vars([]);").value();
    wait_until("its end", || server.seen_worker("slow")["waiters"] == json!([]));
}

/// B54: every PHP thread, with the request that it serves. The values of secrets were shown.
#[test]
fn threads_are_shown_with_their_requests() {
    let server = block(&puppet("w", &format!("num 1\n{READY}"))).admin().frankenphp("num_threads 2").start();
    ensure(&server, "w");
    let mut busy = server.connect();
    let code =
        "touch(getenv('DIR') . '/in'); while (!file_exists(getenv('DIR') . '/go')) { usleep(1000); clearstatcache(); }";
    busy.write(&Request::post("/eval.php?what=this&token=s3cr3t", code));
    wait_until("the request", || server.path("in").exists());
    let threads = server.ask_admin(&Request::get("/frankenphp/threads")).json();
    let all = threads["ThreadDebugStates"].as_array().expect("a list").clone();
    assert_eq!(all.len(), 3, "{threads}");
    let one = |what: &str, is_it: &dyn Fn(&serde_json::Value) -> bool| {
        all.iter().find(|thread| is_it(thread)).unwrap_or_else(|| panic!("no {what} in {threads}")).clone()
    };
    let serving = one("busy thread", &|thread| thread["CurrentURI"] == "/eval.php?what=this&token=REDACTED");
    assert_eq!((&serving["Kind"], &serving["State"]), (&json!("classic"), &json!("busy")));
    assert_eq!((&serving["IsBusy"], &serving["IsWaiting"]), (&json!(true), &json!(false)));
    assert_eq!(serving["CurrentMethod"], "POST");
    assert!(serving["RequestStartedAt"].as_u64() > Some(1_600_000_000_000), "{serving}");
    one("background worker", &|thread| {
        thread["Kind"] == "background" && thread["Worker"] == "w" && thread["Run"] == 1 && thread["State"] == "running"
    });
    fs::write(server.path("go"), "").expect("files can be written");
    assert_eq!(busy.read(false).status, 200);
    wait_until("the end of the request", || {
        let threads = server.ask_admin(&Request::get("/frankenphp/threads")).json();
        threads["ThreadDebugStates"].as_array().expect("a list").iter().all(|thread| thread["IsBusy"] == false)
    });
}

/// B50: every worker restarts, and its published arrays stay readable.
#[test]
fn a_restart_begins_every_worker_anew() {
    let workers = format!("worker {{$PHP_TESTS}}/worker.php 1\n{}", puppet("w", &format!("num 1\n{READY}")));
    let server = Igor::new().admin().frankenphp("num_threads 3").site(&site(&workers)).start();
    ensure(&server, "w");
    let before = read(&server, "w").value();
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 1);
    let answer = std::thread::scope(|scope| {
        let restart = scope.spawn(|| server.ask_admin(&Request::post("/frankenphp/workers/restart", "")));
        while !restart.is_finished() {
            assert!(read(&server, "w").value()["run"].is_number(), "the snapshot stays");
        }
        restart.join().expect("the restart is answered")
    });
    assert_eq!((answer.status, answer.json()), (200, json!({"workers": 2, "stuck": []})));
    wait_until("another snapshot", || read(&server, "w").value() != before);
    assert_eq!(server.eval_in_worker("return $state->requests;").value(), 1, "the HTTP worker's script is another one");
    let seen = server.seen_worker("w");
    assert_eq!((&seen["run"], &seen["counts"]["restarts"]["restart"]), (&json!(2), &json!(1)));
    assert_eq!((&seen["counts"]["failures"], &seen["version"]), (&json!(0), &json!(2)));
    let told = format!("igor_worker_restarts_total{{worker=\"{}\",reason=\"restart\"}}", label(&server, "w"));
    assert_eq!(metric(&server, &told), Some(1.0));
}

/// B50: a worker that ignores its handle is interrupted, and the interruption is counted.
#[test]
fn a_restart_interrupts_what_does_not_end() {
    let server = block(&script("{$DIR}/w.php", "w", "num 1"))
        .global("grace_period 100ms")
        .file("w.php", "<?php frankenphp_set_vars([1]); touch(getenv('DIR') . '/hangs'); while (true);")
        .admin()
        .start();
    wait_until("the loop", || server.path("hangs").exists());
    let answer = server.ask_admin(&Request::post("/frankenphp/workers/restart", ""));
    assert_eq!((answer.status, answer.json()), (200, json!({"workers": 1, "stuck": []})));
    server.wait_log(&["interrupting", "worker=\"w\"", "thread=0", "run=1", "w.php"]);
    wait_until("the second run", || server.seen_worker("w")["run"] == 2);
    let seen = server.seen_worker("w");
    assert_eq!((&seen["counts"]["kills"], &seen["counts"]["failures"]), (&json!(1), &json!(0)));
}

/// B52, B53: a run that a reload interrupts is counted, although its declaration no longer exists; and a thread between
/// two runs was counted when its last run ended.
#[test]
fn counts_go_on_through_reloads() {
    let server = block(&script("{$DIR}/w.php", "w", "num 1\nenv STEP {$STEP:1}\nmax_consecutive_failures -1"))
        .global("grace_period 100ms")
        .file(
            "w.php",
            "<?php frankenphp_set_vars([1]); touch(getenv('DIR') . '/step' . getenv('STEP'));
             if (getenv('STEP') === '2') throw new Exception('again'); while (true);",
        )
        .admin()
        .start();
    let load = |step: &str| {
        let text = fs::read_to_string(server.path("Caddyfile")).expect("the configuration can be read");
        let body = text.replace("{$STEP:1}", step);
        let answer = server.ask_admin(&Request::post("/load", body).header("Content-Type", "text/caddyfile"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    let counts = || server.seen_worker("w")["counts"].clone();
    wait_until("the first loop", || server.path("step1").exists());
    load("2");
    wait_until("a pause of a second", || counts()["failures"].as_u64() >= Some(5));
    assert_eq!(counts()["kills"], 1);
    load("3");
    wait_until("the second loop", || server.path("step3").exists());
    let counts = counts();
    let restarts = ["exit", "failure", "restart", "reload"].map(|reason| counts["restarts"][reason].as_u64());
    let restarts: Option<u64> = restarts.into_iter().sum();
    assert_eq!(restarts.map(|restarts| restarts + 1), counts["starts"].as_u64(), "{counts}");
}

/// B52: an invalid configuration changes nothing and gets an explanation; a valid one takes effect, from the body or
/// from the file.
#[test]
fn a_configuration_is_loaded() {
    let server = block(&puppet("w", &format!("num 1\n{READY}"))).admin().start();
    ensure(&server, "w");
    let before = read(&server, "w").value();
    let file = fs::read_to_string(server.path("Caddyfile")).expect("the file is there");
    let wrong = server.ask_admin(&Request::post("/load", format!("{file}\nhttp://127.0.0.1:0 {{\nnonsense\n}}\n")));
    assert_eq!(wrong.status, 400);
    assert_holds(&wrong.text(), &["the configuration has errors", "Caddyfile:", "nonsense"]);
    assert_eq!(read(&server, "w").value(), before);
    let changed = file.replace("num 1", "num 1\nenv MORE 1");
    let loaded = server.ask_admin(&Request::post("/load", changed).header("content-type", "text/caddyfile"));
    assert_eq!((loaded.status, loaded.json()), (200, json!({"warnings": []})));
    wait_until("another snapshot", || read(&server, "w").value() != before);
    assert_eq!(server.seen_worker("w")["counts"]["restarts"]["reload"], 1);
    let again = server.ask_admin(&Request::post("/load", ""));
    assert_eq!((again.status, again.json()), (200, json!({"warnings": []})));
    wait_until("the file's declaration", || server.seen_worker("w")["counts"]["restarts"]["reload"] == 2);
}

/// An invalid request is refused, with a hint.
#[test]
fn wrong_requests_are_refused() {
    let server = block("").admin().start();
    let ask = |request: Request| server.ask_admin(&request);
    let missing = ask(Request::get("/frankenphp/nothing"));
    assert_eq!(missing.status, 404);
    assert_holds(&missing.text(), &["/frankenphp/nothing", "GET /metrics", "POST /stop"]);
    let method = ask(Request::get("/stop"));
    assert_eq!((method.status, method.header("allow")), (405, Some("POST")));
    assert_eq!(ask(Request::new("DELETE", "/metrics")).status, 405);
    let rebound = ask(Request::get("/metrics").header("host", "evil.example"));
    assert_eq!(rebound.status, 403);
    assert_holds(&rebound.text(), &["evil.example", "127.0.0.1"]);
    let page = ask(Request::post("/stop", "").header("origin", "http://evil.example"));
    assert_eq!(page.status, 403);
    let json = ask(Request::post("/load", "{}").header("content-type", "application/json"));
    assert_eq!(json.status, 415);
    let large = ask(Request::post("/load", vec![b'#'; (4 << 20) + 1]));
    assert_eq!(large.status, 413);
    assert_eq!(ask(Request::post("/load", vec![0xff])).status, 400);
    assert_eq!(server.eval("return 1;").value(), 1, "nothing of this has changed anything");
}

/// What the status page reads and changes: events, the snapshot of a worker without its secrets, and a revival, which a page may
/// ask for with its token only.
#[test]
fn what_the_status_page_asks_for() {
    let server = block(&puppet("w", "max_consecutive_failures 1")).admin().start();
    let page = server.ask_admin(&Request::get("/"));
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_holds(
        page.header("content-security-policy").unwrap_or_default(),
        &["default-src 'none'", "frame-ancestors 'none'"],
    );
    let text = page.text();
    let token =
        text.split("name=\"token\" content=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    assert_eq!(token.len(), 32, "{token}");

    server.eval("try { frankenphp_ensure_background_worker('w', 0.001); } catch (RuntimeException) {}").value();
    let mut w = server.puppet("w");
    w.eval("frankenphp_set_vars(['title' => 'a', 'db' => ['password' => 'hunter2', 'port' => 5432]]);").value();
    let query =
        format!("?scope={}&name=w", server.seen_worker("w")["scope"].as_str().expect("a label").replace(':', "%3A"));
    let shown = server.ask_admin(&Request::get(&format!("/frankenphp/snapshot{query}"))).json();
    assert_eq!(shown["vars"], json!({"title": "a", "db": {"password": {"hidden": "string"}, "port": 5432}}));
    assert_eq!(server.ask_admin(&Request::get("/frankenphp/snapshot?scope=no&name=w")).status, 404);

    let revive = Request::post(&format!("/frankenphp/workers/revive{query}"), "");
    assert_eq!(server.ask_admin(&revive.clone()).status, 409, "it runs");
    w.doom("exit(3);");
    wait_until("the end of the only attempt", || server.seen_worker("w")["state"] == "given up");
    let origin = format!("http://{}", server.admin_address());
    let own = revive.header("host", &server.admin_address().to_string()).header("origin", &origin);
    assert_eq!(server.ask_admin(&own.clone()).status, 403, "a page without the token");
    assert_eq!(server.seen_worker("w")["state"], "given up");
    let revived = server.ask_admin(&own.header("x-igor-token", token));
    assert_eq!((revived.status, revived.json()), (200, json!({"revived": "w"})));
    server.puppet("w").eval("frankenphp_set_vars(['title' => 'b']);").value();

    // The stop of the server at the end of the test does not wait for this connection.
    let mut events = Connection::open(server.admin_address());
    events.write(&Request::get("/frankenphp/events"));
    assert_eq!(events.read_head().header("content-type"), Some("text/event-stream"));
    let event = String::from_utf8(events.read_chunk().expect("an event").expect("more to come")).expect("text");
    assert_holds(&event, &["data: {", "\"state\":\"ready\"", "\"resident_bytes\""]);
}

/// A configured address must be free; the default one must not keep a second server from starting.
#[test]
fn an_address_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let stopped = block("").admin_at(&address).start_fails();
    assert_eq!(stopped.status.code(), Some(1));
    assert_holds(&stopped.log, &["the admin interface cannot listen", &address, "in use", "admin off"]);

    let (one, two) = (block("").admin_at("").start(), block("").admin_at("").start());
    let has_none = |server: &Server| server.log.count("there is no admin interface") == 1;
    let has_one = |server: &Server| server.log.count("admin listening") == 1;
    for server in [&one, &two] {
        assert_eq!(server.eval("return 1;").value(), 1);
        assert!(has_none(server) != has_one(server), "{}", server.log.text());
    }
    assert!(!(has_one(&one) && has_one(&two)), "both cannot have the same address");
}

/// B55: every step of a worker's life is one record, with the same fields.
#[test]
fn every_record_of_a_workers_life_has_the_same_fields() {
    let life = puppet("w", "max_consecutive_failures 2");
    let stuck = script("{$DIR}/stuck.php", "stuck", "num 1");
    let mut server = block(&format!("{life}{stuck}"))
        .global("grace_period 200ms\nlog {\nformat json\n}")
        .file("stuck.php", "<?php frankenphp_set_vars([]); touch(getenv('DIR') . '/stuck'); while (true);")
        .start();
    server.eval("try { frankenphp_ensure_background_worker('w', 0.001); } catch (RuntimeException) {}").value();
    let mut w = server.puppet("w");
    w.eval("frankenphp_set_vars([]);").value();
    w.doom("exit(0);");
    server.puppet("w").doom("exit(3);");
    server.puppet("w").doom("exit(4);");
    server.wait_log(&["background worker given up"]);
    wait_until("the stuck worker", || server.path("stuck").exists());
    let log = server.stop_by(rustix::process::Signal::TERM).log;
    let records: Vec<serde_json::Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let record = |worker: &str, message: &str, run: u64| {
        let is_it = |record: &&serde_json::Value| {
            let text = record["message"].as_str().unwrap_or_default();
            record["worker"] == worker && text.starts_with(message) && record["run"] == run
        };
        let found: Vec<_> = records.iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{message} of {worker} in run {run}:\n{log}");
        assert_eq!(found[0]["thread"], 0);
        assert!(found[0]["scope"].as_str().is_some_and(|scope| !scope.is_empty()), "{}", found[0]);
        found[0].clone()
    };
    for run in 1..=3 {
        record("w", "background worker started", run);
    }
    record("w", "background worker ready", 1);
    assert_eq!(record("w", "background worker ended", 1)["exit_status"], 0);
    let backoff = record("w", "background worker failed", 2);
    assert_eq!((&backoff["exit_status"], &backoff["attempt"], &backoff["pause_ms"]), (&json!(3), &json!(1), &json!(0)));
    assert_eq!(record("w", "background worker given up", 3)["exit_status"], 4);
    record("stuck", "background worker started", 1);
    let kill = record("stuck", "interrupting a script", 1);
    assert!(kill["script"].as_str().is_some_and(|script| script.ends_with("stuck.php")), "{kill}");
    record("stuck", "background worker stopped", 1);
}

/// The names in our files for Prometheus and Grafana are those of a server.
#[test]
fn dashboards_and_alerts_use_metrics_that_exist() {
    // An engine that has never answered has all its metrics.
    let cluster = "cluster {\n engine redis redis://127.0.0.1:1\n }\n store flags {\n cluster\n }\n \
                   worker {$PHP_TESTS}/worker.php {\n background\n name rates\n cluster\n }";
    let server = Igor::new()
        .admin()
        .frankenphp(cluster)
        .site(&site(&format!("worker {{$PHP_TESTS}}/worker.php 1\n{}", puppet("w", &format!("num 1\n{READY}")))))
        .start();
    ensure(&server, "w");
    let text = server.ask_admin(&Request::get("/metrics")).text();
    let exist: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    for file in ["grafana/igor.json", "prometheus/igor-alerts.yml"] {
        let content = fs::read_to_string(packaging.join(file)).expect("the file is there");
        let words = content.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let used: BTreeSet<&str> =
            words.filter(|word| word.starts_with("igor_") || word.starts_with("frankenphp_")).collect();
        assert!(used.len() > 2, "{file} was read");
        let unknown: Vec<_> = used.difference(&exist).collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}; there is:\n{text}");
    }
    let dashboard = fs::read_to_string(packaging.join("grafana/igor.json")).expect("the file is there");
    serde_json::from_str::<serde_json::Value>(&dashboard).expect("the dashboard is JSON");
    // As the format demands, each metric has a help and a type before its samples.
    for name in &exist {
        assert!(text.contains(&format!("# HELP {name} ")), "{name} has no help");
    }
}

/// Workers that start on first demand are not waited for; those that were demanded and are not ready are.
#[test]
fn the_probes() {
    let boot = "while (!file_exists($_SERVER['DIR'] . '/go')) usleep(1000); frankenphp_set_vars(['a' => 1]);";
    let server = block(&puppet("w", &format!("max_consecutive_failures 1\nenv BOOT \"{boot}\""))).admin().start();
    let ask = |path: &str| server.ask_admin(&Request::get(path));
    assert_eq!(ask("/healthz").status, 200);
    assert_eq!(ask("/readyz").json(), json!({"ready": true, "not_ready": []}));

    server.eval("try { frankenphp_ensure_background_worker('w', 0.001); } catch (RuntimeException) {}").value();
    let scope = server.seen_worker("w")["scope"].as_str().expect("a label").to_owned();
    let starting = ask("/readyz");
    assert_eq!(starting.status, 503);
    let missing = json!([{"scope": scope, "worker": "w", "state": "starting"}]);
    assert_eq!(starting.json(), json!({"ready": false, "not_ready": missing}));
    assert_eq!(ask(&format!("/readyz?scope={}", scope.replace(':', "%3A"))).status, 503);
    assert_eq!(ask("/readyz?scope=another").status, 200);

    fs::write(server.path("go"), "").expect("the folder can be written");
    wait_until("the publish", || ask("/readyz").status == 200);
    server.puppet("w").doom("exit(3);");
    wait_until("the end of all tries", || server.seen_worker("w")["state"] == "given up");
    assert_eq!(ask("/readyz").json()["not_ready"][0]["state"], "given up");
    assert_eq!(ask("/healthz").status, 200);
}
