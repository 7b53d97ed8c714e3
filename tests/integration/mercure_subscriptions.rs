//! A Mercure hub that shows who is subscribed.

use crate::common::{Igor, Request};
use crate::mercure::{HUB, KEY, Stream, all, hub, publish, token, token_by};
use serde_json::{Value, json};

const API: &str = "/.well-known/mercure/subscriptions";
const BOOK: &str = "https%3A%2F%2Fexample.com%2Fbooks%2F%7Bid%7D";

fn watcher() -> String {
    token(r#"{"subscribe":["/.well-known/mercure/subscriptions{/topic}{/subscriber}"]}"#)
}

/// The document and the identifier of an event.
fn event(text: Option<String>) -> (Value, String) {
    let text = text.expect("an event");
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        line.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    (serde_json::from_str(&field("data: ")).expect("the data is JSON"), field("id: "))
}

/// The claim: each subscription that begins or ends is a private update, and the API lists those that are there now.
#[test]
fn subscriptions_are_shown() {
    let server = hub("anonymous\nsubscriptions\ncors_origins https://a.example").start();
    let list =
        |path: &str, token: &str| server.send(&Request::get(path).header("Authorization", &format!("Bearer {token}")));
    let empty = list(API, &watcher());
    assert_eq!((empty.status, empty.header("content-type")), (200, Some("application/ld+json")));
    let expected = json!({"@context": "https://mercure.rocks/", "id": API, "type": "Subscriptions",
        "lastEventID": "earliest", "last_event_id": "earliest", "subscriptions": []});
    assert_eq!(serde_json::from_str::<Value>(&empty.text()).ok(), Some(expected));

    let mut watching =
        Stream::open(&server, &format!("topic={API}%7B/topic%7D%7B/subscriber%7D&authorization={}", watcher()), &[]);
    let (own, _) = event(watching.next());
    assert_eq!(own["topic"], format!("{API}{{/topic}}{{/subscriber}}"), "a subscriber sees itself: {own}");
    let mut other = Stream::open(&server, "topic=*", &[]);
    assert_eq!(event(watching.next()).0["topic"], "*");

    let reader = token(r#"{"payload":{"name":"Ann"},"subscribe":["*"]}"#);
    let query = format!("topic={BOOK}&topic=a+b&topic=a+b&authorization={reader}");
    let book = Stream::open(&server, &query, &[]);
    let (first, _) = event(watching.next());
    let (second, last) = event(watching.next());
    let subscriber = second["subscriber"].as_str().expect("a name").to_owned();
    let encoded = subscriber.replace(':', "%3A");
    let id = format!("{API}/{BOOK}/{encoded}");
    let member = json!({"id": id, "type": "Subscription", "topic": "https://example.com/books/{id}",
        "subscriber": subscriber, "active": true, "payload": {"name": "Ann"}});
    let mut document = member.clone();
    document["@context"] = json!("https://mercure.rocks/");
    assert_eq!(second, document);
    assert_eq!((&first["topic"], &first["subscriber"]), (&json!("a b"), &json!(subscriber)), "each selector once");
    assert_eq!(first["id"], format!("{API}/a%20b/{encoded}"));
    assert!(subscriber.starts_with("urn:uuid:"), "{subscriber}");

    let read = |path: &str| {
        let answer = list(path, &watcher());
        assert_eq!((answer.status, answer.header("etag")), (200, Some(format!("\"{last}\"").as_str())), "{path}");
        serde_json::from_str::<Value>(&answer.text()).expect("the answer is JSON")
    };
    let whole = read(API);
    assert_eq!((whole["subscriptions"].as_array().map(Vec::len), &whole["lastEventID"]), (Some(4), &json!(last)));
    let of_topic = read(&format!("{API}/{BOOK}"));
    assert_eq!((&of_topic["id"], &of_topic["subscriptions"]), (&json!(format!("{API}/{BOOK}")), &json!([member])));
    document["lastEventID"] = json!(last);
    assert_eq!(read(&id), document);
    let options = server.send(&Request::new("OPTIONS", API).header("Origin", "https://a.example"));
    assert_eq!(options.header("access-control-allow-origin"), Some("https://a.example"));

    drop(book);
    for topic in ["a b", "https://example.com/books/{id}"] {
        let (gone, _) = event(watching.next());
        assert_eq!(
            (&gone["topic"], &gone["active"], &gone["subscriber"]),
            (&json!(topic), &json!(false), &json!(subscriber))
        );
    }
    assert_eq!(list(&id, &watcher()).status, 404, "it is not there any more");
    assert_eq!(list(&format!("{API}/a%20b"), &watcher()).text().matches("\"subscriber\"").count(), 0);
    publish(&server, &all(), "topic=x&data=public&id=1");
    assert_eq!(other.next().as_deref(), Some("id: 1\ndata: public\n\n"), "who has no claim sees no one");
}

#[test]
fn subscriptions_are_private() {
    let server = hub("anonymous\nsubscriptions").start();
    let status = |path: &str, token: &str| {
        server.send(&Request::get(path).header("Authorization", &format!("Bearer {token}"))).status
    };
    let one = token(&format!(r#"{{"subscribe":["{API}/a"]}}"#));
    assert_eq!(status(API, &token(r#"{"subscribe":["*"]}"#)), 200);
    assert_eq!(status(&format!("{API}/a"), &one), 200);
    for (what, path, token) in [
        ("another topic", format!("{API}/b"), one.clone()),
        ("all", API.to_owned(), one.clone()),
        ("a publisher", API.to_owned(), token(r#"{"publish":["*"]}"#)),
        ("another topic in the claim", API.to_owned(), token(r#"{"subscribe":["/books"]}"#)),
        ("another key", API.to_owned(), token_by("another key", r#"{"mercure":{"subscribe":["*"]}}"#)),
        ("no token", API.to_owned(), String::new()),
    ] {
        assert_eq!(status(&path, &token), 401, "{what}");
    }
    assert_eq!(server.get(API).status, 401);
    for path in [format!("{API}/a/b/c"), format!("{API}x"), format!("{HUB}/subscription"), format!("{HUB}/")] {
        assert_eq!(status(&path, &all()), 404, "{path}");
    }
    assert_eq!(server.send(&Request::new("DELETE", API)).status, 405);
    let hidden = hub("anonymous").start();
    let answer = hidden.send(&Request::get(API).header("Authorization", &format!("Bearer {}", all())));
    assert_eq!(answer.status, 404, "a hub without `subscriptions` shows no one");
}

/// `Allow` named POST in the very answer that refused it.
#[test]
fn a_place_names_the_methods_that_it_answers() {
    let server = Igor::new()
        .hosts(&[
            ("open.test", "mercure {\nanonymous\nsubscriptions\n}"),
            ("keyed.test", &format!("mercure {{\nanonymous\nsubscriptions\npublisher_jwt {KEY}\n}}")),
        ])
        .start();
    for (host, target, refused, all, of_pages) in [
        ("open.test", HUB, "POST", "GET, HEAD, QUERY, OPTIONS", "GET, QUERY"),
        ("keyed.test", HUB, "PUT", "GET, HEAD, QUERY, POST, OPTIONS", "GET, QUERY, POST"),
        ("keyed.test", API, "POST", "GET, HEAD, OPTIONS", "GET"),
    ] {
        let answer = server.send(&Request::new(refused, target).header("Host", host));
        assert_eq!((answer.status, answer.header("allow")), (405, Some(all)), "{refused} {host}{target}");
        let answer = server.send(&Request::new("OPTIONS", target).header("Host", host));
        let pages = answer.header("access-control-allow-methods");
        assert_eq!((answer.header("allow"), pages), (Some(all), Some(of_pages)), "{host}{target}");
        let queries = answer.header("accept-query").is_some();
        assert_eq!(queries, target == HUB, "{host}{target}");
    }
}

/// The name of an update that a client may not get is not in the field that says where its stream begins.
#[test]
fn private_updates_have_no_name_in_a_field() {
    let server = hub("anonymous\ntransport local {\nsize 1\n}").start();
    publish(&server, &all(), "topic=a&data=1&id=hidden&private=on");
    publish(&server, &all(), "topic=a&data=2&id=shown");
    let stream = Stream::open(&server, "topic=a&lastEventID=unknown", &[]);
    assert_eq!(stream.head.header("last-event-id"), Some("earliest"));
    publish(&server, &all(), "topic=a&data=3&id=next");
    let stream = Stream::open(&server, "topic=a&lastEventID=unknown", &[]);
    assert_eq!(stream.head.header("last-event-id"), Some("shown"));
}

/// Any client could push out what publishers had sent, by coming and going.
#[test]
fn clients_that_come_and_go_leave_the_history_alone() {
    let server = hub("anonymous\nsubscriptions\ntransport local {\nsize 5\n}").start();
    for number in 1..=3 {
        publish(&server, &all(), &format!("topic=a&data={number}&id=u{number}"));
    }
    let topics = (0..50).map(|number| format!("topic=t{number}&")).collect::<String>();
    drop(Stream::open(&server, &topics, &[]));
    let query = |topic: &str| format!("topic={topic}&lastEventID=u1&authorization={}", watcher());
    let mut back = Stream::open(&server, &query("a"), &[]);
    assert_eq!(back.head.header("last-event-id"), Some("u1"));
    assert_eq!(back.next().as_deref(), Some("id: u2\ndata: 2\n\n"));
    assert_eq!(back.next().as_deref(), Some("id: u3\ndata: 3\n\n"));
    // Who sees subscribers gets both, in their order, and learns that some are missing.
    let all = format!("{API}%7B/topic%7D%7B/subscriber%7D&topic=a");
    let mut watching = Stream::open(&server, &query(&all), &[]);
    assert_eq!(watching.head.header("last-event-id"), Some("earliest"));
    assert_eq!(watching.next().as_deref(), Some("id: u2\ndata: 2\n\n"));
    assert_eq!(watching.next().as_deref(), Some("id: u3\ndata: 3\n\n"));
    let seen: Vec<Value> = (0..5).map(|_| event(watching.next()).0).collect();
    assert!(seen.iter().all(|document| document["type"] == "Subscription"), "{seen:?}");
}
