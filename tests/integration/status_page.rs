//! What the status page gets, event by event: how long requests took, where scripts are, the log, opcache, and secrets.

use crate::common::workers::{assert_holds, block, puppet, site};
use crate::common::{Connection, Igor, Request, Server, wait_until};
use serde_json::{Value, json};
use std::fs;

/// The events of an open page.
struct Page(Connection);

impl Page {
    fn open(server: &Server) -> Self {
        let mut connection = Connection::open(server.admin_address());
        connection.write(&Request::get("/frankenphp/events"));
        connection.read_head();
        Self(connection)
    }

    fn next(&mut self) -> Value {
        let chunk = self.0.read_chunk().expect("an event").expect("more to come");
        let text = String::from_utf8(chunk).expect("text");
        serde_json::from_str(text.trim().strip_prefix("data: ").expect("data")).expect("JSON")
    }

    /// The next event in which something is true.
    fn wait(&mut self, what: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let mut found = Value::Null;
        wait_until(what, || {
            found = self.next();
            is_there(&found)
        });
        found
    }
}

fn lines(event: &Value) -> String {
    event["log"]
        .as_array()
        .expect("lines")
        .iter()
        .map(|line| format!("{}\n", line.as_str().unwrap_or_default()))
        .collect()
}

/// A request counts when it has ended, in the row of its time.
#[test]
fn the_page_shows_how_long_requests_took() {
    let server = block("worker {$PHP_TESTS}/worker.php 1").admin().start();
    let mut page = Page::open(&server);
    let rows = |event: &Value| -> Vec<u64> { serde_json::from_value(event["latency"].clone()).expect("counts") };
    assert_eq!(rows(&page.next()), [0; 14]);
    server.eval("usleep(300_000); return 1;").value();
    server.eval_in_worker("usleep(300_000); return 1;").value();
    let event = page.wait("both requests", |event| rows(event).iter().sum::<u64>() == 2);
    // From 256 ms on, and on a loaded machine much later.
    assert_eq!(rows(&event)[9..].iter().sum::<u64>(), 2, "{event}");
}

#[test]
fn the_page_shows_where_a_script_is() {
    let server = Igor::new()
        .admin()
        .file("public/busy.php", "<?php\n\nwhile (!file_exists(__DIR__ . '/go')) {\n}\necho 'done';\n")
        .site("root {$DIR}/public\nphp_server")
        .start();
    let mut connection = server.connect();
    connection.write(&Request::get("/busy.php"));
    let mut page = Page::open(&server);
    let place = |event: &Value| {
        let threads = event["threads"]["ThreadDebugStates"].as_array().expect("threads").clone();
        threads.iter().find_map(|thread| thread["Place"].as_str().map(str::to_owned)).unwrap_or_default()
    };
    let event = page.wait("the line", |event| !place(event).is_empty());
    let path = server.path("public/busy.php");
    assert!([3, 4].iter().any(|line| place(&event) == format!("{}:{line}", path.display())), "{}", place(&event));
    let busy =
        event["threads"]["ThreadDebugStates"].as_array().expect("threads").iter().find(|one| one["IsBusy"] == true);
    assert_eq!(busy.expect("a busy thread")["Script"], path.to_str().expect("text"));
    fs::write(server.path("public/go"), "").expect("a file can be made");
    assert_eq!(connection.read(false).text(), "done");
    page.wait("the end", |event| place(event).is_empty());
}

/// Each line once, from before the page was opened too; passwords in addresses only with `reveal`.
#[test]
fn the_page_shows_the_log() {
    for (admin, shown) in
        [("localhost:0", "redis://app:REDACTED@host"), ("localhost:0 {\nreveal\n}", "redis://app:hunter2@host")]
    {
        let server = block("").admin_at(admin).start();
        let log = |text: &str| server.eval(&format!("return error_log('{text}');")).value();
        log("before: redis://app:hunter2@host");
        let mut page = Page::open(&server);
        assert_holds(&lines(&page.next()), &["listening", &format!("before: {shown}")]);
        log("after");
        let event = page.wait("the next line", |event| lines(event).contains("after"));
        assert!(!lines(&event).contains("before"), "{event}");
    }
}

#[test]
fn reveal_shows_values_of_secret_keys() {
    for (admin, shown) in [("localhost:0", json!({"hidden": "string"})), ("localhost:0 {\nreveal\n}", json!("hunter2"))]
    {
        let server = block(&puppet("w", "num 1")).admin_at(admin).start();
        server.puppet("w").eval("frankenphp_set_vars(['password' => 'hunter2']);").value();
        let scope = server.seen_worker("w")["scope"].as_str().expect("a label").replace(':', "%3A");
        let answer = server.ask_admin(&Request::get(&format!("/frankenphp/snapshot?scope={scope}&name=w"))).json();
        assert_eq!(answer["vars"]["password"], shown);
    }
}

/// It is asked when a request starts, and a script sees nothing of that.
#[test]
fn the_page_shows_how_full_opcache_is() {
    let server = Igor::new().admin().site(&site("")).start();
    if server.eval("return (opcache_get_status(false) ?: [])['opcache_enabled'] ?? false;").value() != true {
        return;
    }
    let mut page = Page::open(&server);
    let scripts = |event: &Value| event["opcache"]["scripts"].as_u64().unwrap_or_default();
    page.wait("a script", |event| {
        assert_eq!(server.eval("return error_get_last();").value(), Value::Null);
        scripts(event) > 0
    });
    let usage = page.next()["opcache"].clone();
    let total =
        ["used_bytes", "free_bytes", "wasted_bytes"].iter().filter_map(|part| usage[part].as_u64()).sum::<u64>();
    let configured = server.eval("return 1024 * 1024 * (int) ini_get('opcache.memory_consumption');").value();
    assert_eq!(total, configured.as_u64().expect("a number"), "{usage}");
}
