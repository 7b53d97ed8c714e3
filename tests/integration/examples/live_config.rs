//! `examples/live-config`: settings that follow a file.

use super::{copy_of, json_of, serve};
use crate::common::{Request, Server, wait_for};
use serde_json::{Value, json};
use std::path::Path;

/// Both ways to answer a request.
const APIS: [&str; 2] = ["/api", "/classic.php/api"];

fn save(example: &Path, text: &str) {
    std::fs::write(example.join("settings.json"), text).expect("settings.json is written");
}

/// Waits until both ways give an answer of which `holds` is true.
fn wait_for_both(server: &Server, what: &str, holds: impl Fn(&Value) -> bool) {
    for api in APIS {
        wait_for(&format!("{what} at {api}"), || Some(json_of(&server.get(api))).filter(&holds));
    }
}

/// B10, B22, B30, B38
#[test]
fn requests_follow_the_file() {
    let server = serve(copy_of("live-config"), &[]);

    let shipped: Value = serde_json::from_slice(&std::fs::read(server.path("settings.json")).expect("is there"))
        .expect("the example's settings are valid");
    for (api, mode) in APIS.into_iter().zip(["HTTP worker", "classic"]) {
        let answer = json_of(&server.get(api));
        assert_eq!(answer["settings"], shipped);
        assert_eq!(answer["revision"], 1);
        assert_eq!(answer["error"], Value::Null);
        assert_eq!(answer["answered_by"]["mode"], mode);
    }

    // What an open page listens to.
    let mut page = server.connect();
    page.write(&Request::get("/.well-known/mercure?topic=settings"));
    assert_eq!(page.read_head().status, 200);
    assert_eq!(page.read_chunk().expect("a piece"), Some(b":\n".to_vec()));
    save(server.dir(), r#"{"title": "<Winter & Co>", "limits": {"rate": 7}}"#);
    // The worker may see the file while it is written, which is a version of its own.
    loop {
        let piece = page.read_chunk().expect("a piece").expect("an event");
        let event = String::from_utf8(piece).expect("events are text");
        assert!(event.starts_with("id: settings:"), "{event}");
        if event.contains(r#""title":"<Winter & Co>""#) {
            break;
        }
    }
    wait_for_both(&server, "the change", |answer| {
        answer["settings"] == json!({"title": "<Winter & Co>", "limits": {"rate": 7}}) && answer["revision"] == 2
    });
    for page in ["/", "/classic.php"] {
        let page = server.get(page);
        assert_eq!(page.status, 200);
        assert!(page.text().contains("<h1>&lt;Winter &amp; Co&gt;</h1>"), "{}", page.text());
        assert!(page.text().contains("limits.rate"), "{}", page.text());
    }
    assert_eq!(server.get("/nothing").status, 404);

    let stopped = server.stop();
    let is_goodbye = |line: &str| line.contains("background worker stopped") && line.contains("exit_status=0");
    assert!(stopped.log.lines().any(is_goodbye), "{}", stopped.log);
}

/// B22, B27, B37
#[test]
fn a_broken_file_keeps_the_last_good_settings() {
    let example = copy_of("live-config");
    save(example.path(), r#"{"title": "good"}"#);
    let server = serve(example, &[]);
    let good = json!({"title": "good"});

    let path = server.path("settings.json");
    let broken: [(&dyn Fn(), &str); 4] = [
        (&|| save(server.dir(), r#"{"title": "half"#), "is not valid JSON"),
        (&|| save(server.dir(), "[1, 2]"), "must hold a JSON object"),
        (&|| save(server.dir(), &" ".repeat(1024 * 1024 + 1)), "is larger than"),
        (&|| std::fs::remove_file(&path).expect("is removed"), "cannot be read"),
    ];
    for (damage, message) in broken {
        damage();
        wait_for_both(&server, message, |answer| {
            answer["error"].as_str().is_some_and(|error| error.contains(message)) && answer["settings"] == good
        });
        assert!(server.get("/").text().contains("Still the last good settings"));
        assert_eq!(json_of(&server.get("/api"))["revision"], 1);
    }

    save(server.dir(), r#"{"title": "good"}"#);
    wait_for_both(&server, "the end of the error", |answer| answer["error"].is_null() && answer["revision"] == 1);
    save(server.dir(), r#"{"title": "better"}"#);
    wait_for_both(&server, "the next change", |answer| {
        answer["settings"] == json!({"title": "better"}) && answer["revision"] == 2
    });

    assert_eq!(server.log.count("background worker started"), 1, "{}", server.log.text());
}

/// B8, B45
#[test]
fn a_file_that_is_broken_from_the_start_does_not_take_the_page_down() {
    let example = copy_of("live-config");
    save(example.path(), "{");
    let server = serve(example, &[]);
    wait_for_both(&server, "the error", |answer| answer["error"].is_string() && answer["revision"] == 0);
    let page = server.get("/");
    assert_eq!(page.status, 200);
    assert!(page.text().contains("No settings yet"), "{}", page.text());

    save(server.dir(), r#"{"title": "mended"}"#);
    wait_for_both(&server, "the mended file", |answer| answer["settings"] == json!({"title": "mended"}));
}
