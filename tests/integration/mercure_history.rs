//! A Mercure hub whose history outlives the server.

use crate::common::{Igor, Request, Server, wait_until};
use crate::mercure::{KEY, Stream, all, hub, publish, reload_with};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

fn with_file(path: &Path, lines: &str) -> Igor {
    hub(&format!("anonymous\ntransport bolt {{\npath {}\n{lines}\n}}", path.display()))
}

fn publish_each(server: &Server, numbers: std::ops::RangeInclusive<usize>) {
    for number in numbers {
        let form = format!("topic=a&data={number}&id=u{number}");
        assert_eq!(publish(server, &all(), &form).status, 200, "{number}");
    }
}

/// All updates from the first one that is kept to the one with this number.
fn seen(server: &Server, last: usize) -> Vec<String> {
    let mut stream = Stream::open(server, "topic=a&lastEventID=earliest", &[]);
    let mut ids = Vec::new();
    let end = format!("u{last}");
    while ids.last() != Some(&end) {
        let event = stream.next().expect("an event");
        let id = event.lines().find_map(|line| line.strip_prefix("id: ")).expect("an identifier");
        ids.push(id.to_owned());
    }
    ids
}

fn names(numbers: std::ops::RangeInclusive<usize>) -> Vec<String> {
    numbers.map(|number| format!("u{number}")).collect()
}

#[test]
fn a_client_continues_after_a_restart() {
    let folder = folder();
    let file = folder.path().join("history.db");
    let server = with_file(&file, "").start();
    publish_each(&server, 1..=2);
    publish(&server, &all(), "topic=a&data=secret&id=hidden&private=on");
    publish(&server, &all(), "topic=a&topic=b&data=x%0Ay&id=u3&type=kind");
    drop(server.stop());
    assert_eq!(fs::metadata(&file).expect("the file").permissions().mode() & 0o777, 0o600);

    let server = with_file(&file, "").start();
    let mut stream = Stream::open(&server, "topic=b", &[("Last-Event-ID", "u2")]);
    assert_eq!(stream.head.header("last-event-id"), Some("u2"));
    assert_eq!(stream.next().as_deref(), Some("event: kind\nid: u3\ndata: x\ndata: y\n\n"));
    publish_each(&server, 4..=4);
    assert_eq!(seen(&server, 4), names(1..=4), "the private update is for its owner only");
    let mut owner = Stream::open(&server, &format!("topic=a&lastEventID=u2&authorization={}", all()), &[]);
    assert_eq!(owner.next().as_deref(), Some("id: hidden\ndata: secret\n\n"));

    // A hub with other settings is another one, but the file is the same: it has what was published just before, too.
    let path = server.path("Caddyfile");
    let before = fs::read_to_string(&path).expect("the configuration");
    for last in 5..=12 {
        let text = before.replacen("anonymous", &format!("anonymous\nheartbeat {last}m"), 1);
        fs::write(&path, text).expect("files can be written");
        publish_each(&server, last..=last);
        server.signal(Signal::HUP);
        wait_until("the reload", || stream.next().is_none());
        assert_eq!(seen(&server, last), names(1..=last));
        stream = Stream::open(&server, "topic=b", &[]);
    }
}

/// An update that came while the next hub read the file was in the file alone: clients of the next hub never got it.
#[test]
fn reloads_lose_no_update_on_its_way() {
    const RELOADS: usize = 4;
    let folder = folder();
    let file = folder.path().join("history.db");
    let lines = format!("anonymous\nheartbeat 1m\ntransport bolt {{\npath {}\nsize 100000\n}}", file.display());
    let server = hub(&lines).admin().start();
    // Reading takes the longer the more there is.
    let text = "x".repeat(20_000);
    for number in 0..200 {
        publish(&server, &all(), &format!("topic=b&data={text}&id=b{number}"));
    }
    let over = AtomicBool::new(false);
    let published: Vec<usize> = std::thread::scope(|scope| {
        let publisher = |name: char| {
            let (server, over) = (&server, &over);
            scope.spawn(move || {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    let answer = publish(server, &all(), &format!("topic=a&data=x&id={name}{number}"));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    number += 1;
                }
                number
            })
        };
        let publishers: Vec<_> = "pqr".chars().map(publisher).collect();
        for number in 1..=RELOADS {
            reload_with(&server, &|text| {
                text.replacen(&format!("heartbeat {number}m"), &format!("heartbeat {}m", number + 1), 1)
            });
        }
        over.store(true, Ordering::Relaxed);
        publishers.into_iter().map(|publisher| publisher.join().expect("a publisher")).collect()
    });
    publish_each(&server, 1..=1);
    let found = seen(&server, 1);
    for (name, count) in "pqr".chars().zip(published) {
        let own: Vec<_> = found.iter().filter(|id| id.starts_with(name)).cloned().collect();
        let expected: Vec<_> = (0..count).map(|number| format!("{name}{number}")).collect();
        assert_eq!(own, expected, "each once, in order");
    }
    drop(server.stop());
}

/// An update about a subscriber is kept as well: a client whose last one it is got everything once more.
#[test]
fn who_sees_subscribers_continues_after_a_restart() {
    let folder = folder();
    let lines =
        format!("anonymous\nsubscriptions\ntransport bolt {{\npath {}\n}}", folder.path().join("h.db").display());
    let server = hub(&lines).start();
    publish_each(&server, 1..=2);
    let query = format!("topic=*&authorization={}", all());
    let mut stream = Stream::open(&server, &query, &[]);
    let event = stream.next().expect("its own subscription");
    let last = event.lines().find_map(|line| line.strip_prefix("id: ")).expect("an identifier").to_owned();
    drop(server.stop());
    let server = hub(&lines).start();
    let mut stream = Stream::open(&server, &query, &[("Last-Event-ID", &last)]);
    assert_eq!(stream.head.header("last-event-id"), Some(last.as_str()));
    publish_each(&server, 3..=3);
    let events: Vec<String> = (0..2).map(|_| stream.next().expect("an event")).collect();
    assert!(events[0].contains("\"active\":true") && events[1].starts_with("id: u3\n"), "{events:?}");
}

#[test]
fn a_killed_server_leaves_a_file_that_can_be_read() {
    let folder = folder();
    for round in 0..3 {
        let file = folder.path().join(format!("{round}.db"));
        let server = with_file(&file, "").start();
        publish_each(&server, 1..=50);
        server.signal(Signal::KILL);
        drop(server.ended());
        let server = with_file(&file, "").start();
        publish_each(&server, 51..=51);
        let found = seen(&server, 51);
        // The last ones may have waited for the thread that writes.
        let kept = found.len() - 1;
        assert_eq!(found[..kept], names(1..=50)[..kept], "a gap");
    }
}

#[test]
fn the_file_is_bounded() {
    for (cleanup, kept) in [("1", 5), ("0", 5)] {
        let folder = folder();
        let file = folder.path().join("history.db");
        let lines = format!("size 5\ncleanup_frequency {cleanup}");
        let server = with_file(&file, &lines).start();
        publish_each(&server, 1..=100);
        assert_eq!(seen(&server, 100), names(96..=100));
        drop(server.stop());
        let server = with_file(&file, &lines).start();
        publish_each(&server, 101..=101);
        assert_eq!(seen(&server, 101), names(102 - kept..=101), "{cleanup}");
        drop(server.stop());
        // A larger history finds what the file has kept.
        let server = with_file(&file, "size 1000").start();
        publish_each(&server, 102..=102);
        let found = seen(&server, 102).len();
        let expected = if cleanup == "1" { 6..=6 } else { 6..=11 };
        assert!(expected.contains(&found), "cleanup_frequency {cleanup}: {found}");
    }
}

#[test]
fn files_that_cannot_be_used() {
    let folder = folder();
    let text = folder.path().join("text.db");
    fs::write(&text, "no history".repeat(1000)).expect("files can be written");
    let used = folder.path().join("used.db");
    let server = with_file(&used, "").start();
    for (what, file, expected) in [
        ("another file", text, "opening the history"),
        ("a missing folder", folder.path().join("none/a.db"), "No such file or directory"),
        ("a folder", folder.path().to_path_buf(), "opening the history"),
        ("a file that another server uses", used, "already open"),
    ] {
        let log = with_file(&file, "").start_fails().log;
        assert!(log.contains(expected) && log.contains("write `transport local`"), "{what}: {log}");
        assert!(!log.contains(KEY), "{log}");
    }
    drop(server);
    let shared = folder.path().join("shared.db").display().to_string();
    let block = |lines: &str| format!("mercure {{\nanonymous\n{lines}\ntransport_url bolt://{shared}\n}}");
    let log = Igor::new().hosts(&[("a", &block("")), ("b", &block("heartbeat 5s"))]).start_fails().log;
    assert!(log.contains("has the same file for its history but other settings"), "{log}");
    let server = Igor::new().hosts(&[("a", &block("")), ("b", &block(""))]).start();
    assert_eq!(server.send(&Request::get("/.well-known/mercure").header("Host", "b")).status, 400);
    for wrong in ["cleanup_frequency 2", "cleanup_frequency often", "size many", "bucket"] {
        let log = with_file(&folder.path().join("x.db"), wrong).start_fails().log;
        assert!(log.contains("Caddyfile:"), "{wrong}: {log}");
    }
}
