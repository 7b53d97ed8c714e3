//! The workers of `docs/recipes.md`, each with the real service that it follows.

use super::redis::Redis;
use super::{copy_of, json_of, serve};
use crate::common::{Igor, Request, Server, output_of, stock_php, wait_for};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

/// Serves a recipe.
fn recipe(name: &str, environment: &[(&str, &str)]) -> Server {
    serve(copy_of(&format!("recipes/{name}")), environment)
}

/// Waits until `holds` accepts the recipe's page.
fn wait_for_page(server: &Server, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, || Some(json_of(&server.get("/"))).filter(&holds))
}

/// Stops the server: each of its workers must end by itself, and must never have failed.
fn stop_in_good_order(server: Server, workers: usize) {
    let log = server.stop().log;
    let goodbyes = log.lines().filter(|line| line.contains("background worker stopped"));
    assert_eq!(goodbyes.filter(|line| line.contains("exit_status=0")).count(), workers, "{log}");
    for trouble in ["background worker failed", "interrupting a script", "Deprecated", "Warning"] {
        assert!(!log.contains(trouble), "{trouble} is in the log:\n{log}");
    }
}

/// B38
#[test]
fn polling() {
    let api = Igor::new().file("rates.json", r#"{"EUR": 1.08}"#).site("root {$DIR}\nfile_server").start();
    let url = format!("http://{}/rates.json", api.address());
    let server = recipe("polling", &[("RATES_URL", &url), ("POLL_SECONDS", "0.1")]);
    assert_eq!(json_of(&server.get("/"))["rates"], json!({"EUR": 1.08}));

    fs::write(api.path("rates.json"), r#"{"EUR": 1.09}"#).expect("files can be written");
    wait_for_page(&server, "the new rates", |page| page["rates"] == json!({"EUR": 1.09}));

    fs::write(api.path("rates.json"), "{").expect("files can be written");
    server.wait_log(&["fetching http://", "Syntax error"]);
    fs::remove_file(api.path("rates.json")).expect("files can be removed");
    server.wait_log(&["fetching http://", "404"]);
    assert_eq!(json_of(&server.get("/"))["rates"], json!({"EUR": 1.09}), "the last answer stays");
    fs::write(api.path("rates.json"), "{}").expect("files can be written");
    wait_for_page(&server, "the API's return", |page| page["rates"] == json!([]));
    let log = server.stop().log;
    assert_eq!(log.matches("background worker started").count(), 1, "{log}");
    assert!(log.contains("exit_status=0") && !log.contains("interrupting a script"), "{log}");
}

/// B38
#[test]
fn redis_pubsub() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut redis = Redis::server(folder.path(), None);
    let ask = |redis: &Redis, command: &str| redis.ask(command).expect("Redis answers");
    ask(&redis, "HSET flags new-checkout on");
    let server = recipe("redis-pubsub", &[("REDIS", &redis.address())]);
    assert_eq!(json_of(&server.get("/")), json!({"flags": {"new-checkout": "on"}}));

    ask(&redis, "HSET flags new-checkout off dark-mode on");
    ask(&redis, "PUBLISH flags changed");
    wait_for_page(&server, "the changed flags", |page| {
        *page == json!({"flags": {"new-checkout": "off", "dark-mode": "on"}})
    });

    redis.kill();
    server.wait_log(&["Redis at 127.0.0.1", "the connection was closed"]);
    assert_eq!(json_of(&server.get("/"))["flags"]["dark-mode"], "on", "the last flags stay");
    server.wait_log(&["Redis at 127.0.0.1", "Connection refused"]);
    // It comes back with nothing in it; what happened in between is seen without a message.
    redis.restart();
    wait_for_page(&server, "the empty Redis", |page| *page == json!({"flags": {}}));
    ask(&redis, "HSET flags back yes");
    ask(&redis, "PUBLISH flags changed");
    wait_for_page(&server, "a message after the return", |page| *page == json!({"flags": {"back": "yes"}}));
    stop_in_good_order(server, 1);
}

/// B38
#[test]
fn inotify() {
    let server = recipe("inotify", &[]);
    assert_eq!(json_of(&server.get("/")), json!({"limits": {"requests_a_minute": 60}}));

    let settings = server.path("settings");
    fs::write(settings.join("limits.json"), r#"{"requests_a_minute": 5}"#).expect("files can be written");
    fs::write(settings.join("new"), r#"{"dark": true}"#).expect("files can be written");
    fs::rename(settings.join("new"), settings.join("theme.json")).expect("files can be renamed");
    let both = json!({"limits": {"requests_a_minute": 5}, "theme": {"dark": true}});
    wait_for_page(&server, "the saved files", |page| *page == both);

    fs::write(settings.join("theme.json"), "{").expect("files can be written");
    server.wait_log(&["theme.json", "Syntax error"]);
    assert_eq!(json_of(&server.get("/")), both, "the last good content stays");
    fs::remove_file(settings.join("theme.json")).expect("files can be removed");
    wait_for_page(&server, "the removed file", |page| *page == json!({"limits": {"requests_a_minute": 5}}));
    stop_in_good_order(server, 1);
}

/// Sends the lines of `events` after the client's last id, and later ones; ends when the file `hang-up` exists.
const EVENTS: &str = r#"<?php
    header('Content-Type: text/event-stream');
    $seen = (int) ($_SERVER['HTTP_LAST_EVENT_ID'] ?? 0);
    error_log("a client that has seen $seen");
    do {
        foreach (array_slice(file(__DIR__ . '/events'), $seen) as $line) {
            $seen++;
            echo "id: $seen\ndata: $line\n";
        }
        echo ": still here\n\n";
        flush();
        usleep(20000);
        clearstatcache();
    } while (!file_exists(__DIR__ . '/hang-up'));"#;

/// B38
#[test]
fn event_stream() {
    let source = Igor::new()
        .file("events", "{\"EUR\": 1.08, \"CHF\": 0.95}\n{\"EUR\": 1.09}\n")
        .file("events.php", EVENTS)
        .site("root {$DIR}\nphp_server")
        .start();
    let add = |line: &str| {
        let mut file = fs::OpenOptions::new().append(true).open(source.path("events")).expect("the file is there");
        writeln!(file, "{line}").expect("files can be written");
    };
    let url = format!("http://{}/events.php", source.address());
    let server = recipe("event-stream", &[("EVENTS_URL", &url)]);
    wait_for_page(&server, "the first events", |page| {
        *page == json!({"prices": {"EUR": 1.09, "CHF": 0.95}, "last_id": "2"})
    });
    add(r#"{"EUR": 1.1}"#);
    wait_for_page(&server, "the next event", |page| page["prices"]["EUR"] == 1.1 && page["last_id"] == "3");

    fs::write(source.path("hang-up"), "").expect("files can be written");
    server.wait_log(&["the event stream http://", "the server closed it"]);
    add(r#"{"JPY": 0.007}"#);
    fs::remove_file(source.path("hang-up")).expect("files can be removed");
    wait_for_page(&server, "what was missed", |page| {
        *page == json!({"prices": {"EUR": 1.1, "CHF": 0.95, "JPY": 0.007}, "last_id": "4"})
    });
    source.wait_log(&["a client that has seen 3"]);
    stop_in_good_order(server, 1);
}

/// B6, B41
#[test]
fn symfony_console() {
    // One starts after the other: of two threads that link one class at once PHP's debug build reports a leak, which is what
    // opcache drops of the second (see tests/lsan.supp).
    let copy = copy_of("recipes/symfony-console");
    let config = fs::read_to_string(copy.path().join("Caddyfile")).expect("the recipe has one");
    let (before, after) = config.rsplit_once("num 1\n").expect("both workers start with the server");
    fs::write(copy.path().join("Caddyfile"), format!("{before}{after}")).expect("files can be written");
    let server = serve(copy, &[]);
    server.wait_log(&["background worker ready", "feed:rates"]);
    let shipped = json!({"feed:rates": {"EUR": 1.08}, "feed:flags": {"new-checkout": true}});
    assert_eq!(json_of(&server.get("/")), shipped);
    server.wait_log(&["follows ", "rates.json", "feed:rates"]);
    fs::write(server.path("data/rates.json"), r#"{"EUR": 1.09}"#).expect("files can be written");
    wait_for_page(&server, "the new rates", |page| page["feed:rates"] == json!({"EUR": 1.09}));

    // An exception of a command is a failed run of the worker, with message and place.
    fs::write(server.path("data/flags.json"), "{").expect("files can be written");
    server.wait_log(&["background worker failed", "feed:flags", "JsonException: Syntax error", "FeedCommand.php"]);
    assert_eq!(json_of(&server.get("/"))["feed:flags"], json!({"new-checkout": true}));
    fs::write(server.path("data/flags.json"), "{}").expect("files can be written");
    wait_for_page(&server, "the mended flags", |page| page["feed:flags"] == json!([]));

    // The same file is an ordinary console application.
    let console = server.path("bin/console");
    let output =
        output_of(stock_php().args(["-d", "error_reporting=8191"]).arg(console).args(["feed:rates", "--no-ansi"]));
    assert!(output.starts_with("would publish "), "{output}");
    let log = server.stop().log;
    assert_eq!(log.lines().filter(|line| line.contains("background worker stopped")).count(), 2, "{log}");
    assert!(!log.contains("Deprecated") && !log.contains("Warning"), "{log}");
}

/// B38
#[test]
fn event_loop() {
    let server = recipe("event-loop", &[]);
    assert_eq!(json_of(&server.get("/"))["values"], json!({}));

    let connect = || UnixStream::connect(server.path("board.sock")).expect("the worker listens");
    let (mut one, mut other) = (connect(), connect());
    one.write_all(b"station open\nnext 7").expect("the worker reads");
    other.write_all(b"weather fine, a breeze\n").expect("the worker reads");
    let first = json!({"station": "open", "weather": "fine, a breeze"});
    wait_for_page(&server, "the complete lines of both", |page| page["values"] == first);
    one.write_all(b":30\n").expect("the worker reads");
    wait_for_page(&server, "the rest of a line", |page| page["values"]["next"] == "7:30");
    other.write_all(b"name caf\xe9\n").expect("the worker reads");
    wait_for_page(&server, "a value in another encoding", |page| page["values"]["name"] == "caf\u{fffd}");
    wait_for_page(&server, "the timer", |page| page["up_for_seconds"].as_u64() > Some(0));
    stop_in_good_order(server, 1);
}

/// A bitmap of one colour; its width must be a multiple of 4.
fn bitmap(width: u32, height: u32) -> Vec<u8> {
    let pixels = 3 * width * height;
    let mut image = b"BM".to_vec();
    for word in [54 + pixels, 0, 54, 40, width, height, 1 | 24 << 16, 0, pixels, 0, 0, 0, 0] {
        image.extend(word.to_le_bytes());
    }
    image.resize(54 + pixels as usize, 0x7f);
    image
}

/// The events that the page answers an upload with.
fn events_of(server: &Server, file: &[u8]) -> Vec<Value> {
    let head = "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"i\"\r\n\r\n";
    let body = [head.as_bytes(), file, b"\r\n--b--\r\n"].concat();
    let answer = server.send(&Request::post("/", body).header("Content-Type", "multipart/form-data; boundary=b"));
    assert_eq!(answer.header("content-type"), Some("text/event-stream;charset=UTF-8"));
    let text = answer.text();
    text.split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap_or_else(|| panic!("no event: {text}")))
        .map(|json| serde_json::from_str(json).expect("JSON"))
        .collect()
}

#[test]
fn thumbnails() {
    let server = recipe("thumbnails", &[]);
    assert!(server.get("/").text().contains("<form>"));
    let events = events_of(&server, &bitmap(400, 200));
    let progress: Vec<_> = (1..=3).map(|done| json!({"done": done, "of": 3})).collect();
    assert_eq!(events[..3], progress);
    for (size, width, height) in [("64", 64_u32, 32_u32), ("256", 256, 128), ("1024", 400, 200)] {
        let image = server.get(events[3]["thumbnails"][size].as_str().expect("a path")).body;
        assert_eq!(
            (&image[1..4], &image[16..24]),
            (&b"PNG"[..], &*[width.to_be_bytes(), height.to_be_bytes()].concat())
        );
    }
    assert_eq!(events_of(&server, b"<svg>"), [json!({"error": "this is no image, or one that is too large"})]);
    assert_eq!(server.send(&Request::post("/", "")).status, 400);
    stop_in_good_order(server, 2);
}

#[test]
fn object_graph() {
    let server = recipe("object-graph", &[]);
    let page = json_of(&server.get("/"));
    let kettle = json!({
        "name": "kettle",
        "brand": "Aqua",
        "price": "45.00 EUR",
        "since": "2024-05-01 08:00 +02:00",
        "tags": ["kitchen", "steel"],
    });
    assert_eq!((&page["products"][0], &page["one brand, one object"]), (&kettle, &json!(2)), "{page}");
    let costs = json_of(&server.get("/costs.php?products=50"));
    assert_eq!(costs["same"], json!({"unserialize()": true, "ObjectGraph::fromArray()": true}));
    assert!(costs["nanoseconds"].as_object().is_some_and(|ways| ways.values().all(|time| time.as_u64() > Some(0))));

    let line = "chair,Aqua,100,EUR,2026-01-01T00:00:00+00:00,seat\n";
    fs::write(server.path("catalogue.csv"), line).expect("files can be written");
    wait_for_page(&server, "the new catalogue", |page| page["products"][0]["name"] == "chair");
    stop_in_good_order(server, 1);
}
