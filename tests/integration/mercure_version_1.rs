//! The Mercure hub by the names of Mercure 1.0, beside those of 0.x.

use crate::common::Request;
use crate::mercure::{HUB, KEY, Stream, all, encoded, hub, publish};
use ring::hmac;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

const API: &str = "/.well-known/mercure/subscriptions";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

fn signed(head: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", encoded(head.to_string()), encoded(claims.to_string()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), message.as_bytes());
    format!("{message}.{}", encoded(signature))
}

/// An access token with these details.
fn access_token(details: &Value) -> String {
    signed(&json!({"alg": "HS256", "typ": "at+jwt"}), &json!({"exp": now() + 600, "authorization_details": details}))
}

fn detail(actions: &[&str], topics: &Value) -> Value {
    json!({"type": "https://mercure.rocks/authorization-detail", "actions": actions, "topics": topics})
}

fn bearer(token: &str) -> [(&'static str, String); 1] {
    [("Authorization", format!("Bearer {token}"))]
}

fn open(query: &str, server: &crate::common::Server, token: &str) -> Stream {
    let [(name, value)] = bearer(token);
    Stream::open(server, query, &[(name, &value)])
}

/// The claim: a client of 1.0 and one of 0.x get the same updates from one hub.
#[test]
fn matchers_select_topics() {
    let server = hub("anonymous").start();
    let mut exact = Stream::open(&server, "match=https://example.com/books/1&match_exact=end", &[]);
    let mut pattern = Stream::open(&server, "match_urlpattern=https://example.com/books/:id&match=end", &[]);
    let mut draft = Stream::open(&server, "matchURLPattern=/books/:id(%5Cd%2B)&matchExact=end", &[]);
    let mut old = Stream::open(&server, "topic=https://example.com/books/%7Bid%7D&match=end", &[]);
    let mut every = Stream::open(&server, "match=*", &[]);
    let mut literal = Stream::open(&server, "match=https://example.com/books/%7Bid%7D&topic=end", &[]);
    for (topic, id) in [
        ("https://example.com/books/1", "1"),
        ("https://example.com/books/2?page=1", "2"),
        ("https://example.com/books/1/reviews", "3"),
        ("/books/12", "4"),
        ("/books/a", "5"),
        ("no URL: \\ %", "6"),
        ("https://example.com/books/%7Bid%7D", "7"),
        ("end", "8"),
    ] {
        let topic = topic.replace('%', "%25").replace('?', "%3F");
        assert_eq!(publish(&server, &all(), &format!("topic={topic}&data=x&id={id}")).status, 200, "{topic}");
    }
    for (what, stream, expected) in [
        ("exact", &mut exact, "1 8"),
        ("pattern", &mut pattern, "1 2 7 8"),
        ("draft", &mut draft, "4 8"),
        ("old", &mut old, "1 7 8"),
        ("every", &mut every, "1 2 3 4 5 6 7 8"),
        ("literal", &mut literal, "8"),
    ] {
        for id in expected.split(' ') {
            assert_eq!(stream.next(), Some(format!("id: {id}\ndata: x\n\n")), "{what}");
        }
    }
    for (query, expected) in [
        ("matchRegexp=a", "none of \"match\", \"match_exact\" and \"match_urlpattern\""),
        ("Match=a", "none of \"match\""),
        ("match_url_pattern=a&topic=a", "none of \"match\""),
        ("match=", "a selector is empty"),
        ("match=a%0Ab", "contains a control character"),
        ("match_urlpattern=/(a", "a URL pattern is not valid: a regular expression"),
        ("match_urlpattern=/(%3F=a)", "a URL pattern is not valid"),
        ("match_urlpattern=https://a:b@c/", "it has a name or a password"),
        ("nomatch=a", "Missing \"topic\" or \"match\" parameter"),
    ] {
        let answer = server.get(&format!("{HUB}?{query}"));
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(expected), "{query}: {}", answer.text());
    }
    for (what, query) in [
        ("many", "match=a&".repeat(201)),
        ("many patterns", "match_urlpattern=/:a/:b/:c&".repeat(190)),
        ("a large pattern", format!("match_urlpattern=/{}", ":a*x".repeat(600))),
        ("a repeated expression", "match_urlpattern=/((?:a%7B900%7D)%7B900%7D)".to_owned()),
        ("many large ones", "match_urlpattern=/(a%7B3900%7D)&".repeat(3)),
    ] {
        assert_eq!(server.get(&format!("{HUB}?{query}")).status, 400, "{what}");
    }
}

/// A long list of topics has no room in a URL.
#[test]
fn a_query_has_its_topics_in_the_body() {
    let server = hub("anonymous").start();
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let query = |kind: &str, body: &str| Request::new("QUERY", HUB).header("Content-Type", kind).body(body);
    let mut connection = server.connect();
    connection.write(&query(form, &format!("{}match=a", "match=/long/topic&".repeat(150))));
    let head = connection.read_head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    publish(&server, &all(), "topic=a&data=x&id=1");
    let mut next = || connection.read_chunk().expect("the stream is complete").expect("more");
    assert_eq!(next(), b":\n");
    assert_eq!(next(), b"id: 1\ndata: x\n\n");
    assert_eq!(server.send(&query("application/json", "{}")).status, 415);
    assert_eq!(server.send(&query(form, "matches=a")).status, 400);
    let closed = hub("").start();
    assert_eq!(closed.send(&query(form, "match=a")).status, 401);
}

#[test]
fn access_tokens_allow_what_their_details_say() {
    let server = hub("anonymous").start();
    let books = json!([{"match": "https://example.com/books/:id", "match_type": "urlpattern"}, {"match": "news"}]);
    let publisher = access_token(&json!([detail(&["publish", "fly"], &books), {"type": "other", "actions": 1}]));
    let answer = publish(&server, &publisher, "topic=https://example.com/books/1&data=x");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(publish(&server, &publisher, "topic=news&data=x").status, 200);
    let refused = publish(&server, &publisher, "topic=other&data=x");
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (403, Some("Bearer error=\"insufficient_scope\""))
    );
    assert_eq!(publish(&server, &publisher, "topic=news&topic=other&data=x").status, 403, "each topic");
    let reader = access_token(&json!([detail(&["subscribe"], &books)]));
    assert_eq!(publish(&server, &reader, "topic=news&data=x").status, 403);

    let mut stream = open("match=*", &server, &reader);
    let cookie = format!("__Secure-mercure_access_token={reader}");
    let mut by_cookie = Stream::open(&server, "match=*", &[("Cookie", &cookie)]);
    publish(&server, &all(), "topic=secret&private=on&data=x&id=1");
    publish(&server, &all(), "topic=https://example.com/books/7&private=on&data=x&id=2");
    publish(&server, &all(), "topic=news&private=on&data=x&id=3");
    for id in [2, 3] {
        assert_eq!(stream.next(), Some(format!("id: {id}\ndata: x\n\n")));
        assert_eq!(by_cookie.next(), Some(format!("id: {id}\ndata: x\n\n")));
    }
    // The claim of 0.x in a token with details says nothing; without details for a hub it is what it was.
    let head = json!({"alg": "HS256", "typ": "at+jwt"});
    let with = |details: Value, mercure: Value| {
        signed(&head, &json!({"exp": now() + 60, "authorization_details": details, "mercure": mercure}))
    };
    let both = with(json!([detail(&["publish"], &json!([{"match": "news"}]))]), json!({"publish": ["*"]}));
    assert_eq!(publish(&server, &both, "topic=other&data=x").status, 403);
    let old =
        with(json!([{"type": "other"}]), json!({"publish": ["other", {"match": "/a/:b", "match_type": "urlpattern"}]}));
    assert_eq!(publish(&server, &old, "topic=other&data=x").status, 200);
    assert_eq!(publish(&server, &old, "topic=/a/1&data=x").status, 200);
    assert_eq!(publish(&server, &old, "topic=/b/1&data=x").status, 401, "the status of 0.x");
}

#[test]
fn access_tokens_that_are_not_valid() {
    let server = hub("anonymous").start();
    let any = json!([{"match": "*"}]);
    let good = json!([detail(&["publish"], &any)]);
    let head = |kind: Value| json!({"alg": "HS256", "typ": kind});
    assert_eq!(publish(&server, &access_token(&good), "topic=a").status, 200);
    let capital =
        signed(&head(json!("application/AT+JWT")), &json!({"exp": now() + 60, "authorization_details": good}));
    assert_eq!(publish(&server, &capital, "topic=a").status, 200);
    let with = |details: Value| access_token(&details);
    for (what, token) in [
        ("another type", signed(&head(json!("JWT")), &json!({"exp": now() + 60, "authorization_details": good}))),
        ("no type", signed(&json!({"alg": "HS256"}), &json!({"exp": now() + 60, "authorization_details": good}))),
        ("no end", signed(&head(json!("at+jwt")), &json!({"authorization_details": good}))),
        ("expired", signed(&head(json!("at+jwt")), &json!({"exp": now() - 1, "authorization_details": good}))),
        ("no list", with(json!({"type": "mercure"}))),
        ("no actions", with(json!([detail(&[], &any)]))),
        ("no topics", with(json!([detail(&["publish"], &json!([]))]))),
        ("topics as texts", with(json!([detail(&["publish"], &json!(["*"]))]))),
        ("no match", with(json!([detail(&["publish"], &json!([{"match_type": "exact"}]))]))),
        ("an empty match", with(json!([detail(&["publish"], &json!([{"match": ""}]))]))),
        (
            "an unknown type of match",
            with(json!([detail(&["publish"], &json!([{"match": "*", "match_type": "regexp"}]))])),
        ),
        (
            "a pattern that is none",
            with(json!([detail(&["publish"], &json!([{"match": "/(", "match_type": "urlpattern"}, {"match": "*"}]))])),
        ),
        ("one good and one bad detail", with(json!([detail(&["publish"], &any), {"type": "mercure"}]))),
        ("too many topics", with(json!([detail(&["publish", "subscribe"], &json!(vec![json!({"match": "a"}); 501]))]))),
        ("an expression that is too large", {
            with(json!([detail(&["publish"], &json!([{"match": "/((?:a{900}){900})", "match_type": "urlpattern"}]))]))
        }),
    ] {
        let answer = publish(&server, &token, "topic=a&data=x");
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{what}");
        assert!(!answer.text().contains("eyJ"), "{what}: the answer repeats the token");
    }
    let none = server.send(&Request::form(HUB, "topic=a"));
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
}

/// Subscriptions are shown in the form of the version that the client has used.
#[test]
fn subscriptions_have_matchers() {
    let server = hub("anonymous\nsubscriptions").start();
    let pattern = "/.well-known/mercure/subscriptions/:match_type/:match/:subscriber";
    let watcher = access_token(&json!([detail(
        &["subscribe"],
        &json!([{"match": pattern, "match_type": "urlpattern"}, {"match": API}, {"match": format!("{API}/exact/a%20b")}])
    )]));
    let mut watching = open(&format!("match_urlpattern={pattern}"), &server, &watcher);
    let mut next = || {
        let text = watching.next().expect("an event");
        assert!(text.starts_with("event: mercure\n"), "{text}");
        let data = text.lines().find_map(|line| line.strip_prefix("data: ")).expect("data");
        serde_json::from_str::<Value>(data).expect("the data is JSON")
    };
    let own = next();
    assert_eq!((&own["match_type"], &own["match"]), (&json!("urlpattern"), &json!(pattern)));
    let details = json!([
        {"type": "mercure", "actions": ["subscribe"], "topics": [{"match": "a b"}], "payload": {"name": "Ann"}},
        {"type": "mercure", "actions": ["subscribe"], "topics": [{"match": "*"}], "payload": {"name": "any"}},
    ]);
    let stream = open("match=a+b&match_urlpattern=/books/:id&topic=old", &server, &access_token(&details));
    let (exact, books) = (next(), next());
    let subscriber = exact["subscriber"].as_str().expect("a name").to_owned();
    let id = format!("{API}/exact/a%20b/{}", subscriber.replace(':', "%3A"));
    let mut member = json!({"id": id, "type": "subscription", "match_type": "exact", "match": "a b", "subscriber": subscriber,
        "active": true, "payload": {"name": "Ann"}});
    assert_eq!(exact, member);
    assert_eq!((&books["match"], &books["payload"]), (&json!("/books/:id"), &json!({"name": "any"})));

    let read = |path: &str| {
        let [(name, value)] = bearer(&watcher);
        server.send(&Request::get(path).header(name, &value))
    };
    let listed = read(&format!("{API}/exact/a%20b"));
    assert_eq!((listed.status, listed.header("content-type")), (200, Some("application/json")));
    let list: Value = listed.json();
    assert_eq!((&list["type"], &list["subscriptions"]), (&json!("subscriptions"), &json!([member])));
    assert!(list["last_event_id"].as_str().is_some_and(|id| id.starts_with("urn:uuid:")), "{list}");
    let one = read(&id);
    member["last_event_id"] = list["last_event_id"].clone();
    assert_eq!(one.json(), member);
    let whole: Value = read(API).json();
    let kinds: Vec<_> = whole["subscriptions"].as_array().expect("a list").iter().map(|one| &one["type"]).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "subscription").count(), 3, "{whole}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "Subscription").count(), 1, "the one by `topic`: {whole}");
    assert_eq!(whole["lastEventID"], whole["last_event_id"]);
    assert_eq!(read(&format!("{API}/exact/other")).status, 403);
    assert_eq!(read(&format!("{API}/a/b/c")).status, 404);
    drop(stream);
    assert_eq!(next()["active"], false);

    // Who publishes may not say who is subscribed, in whatever spelling.
    for topic in [
        format!("{API}/exact/a/b"),
        format!("https://any.example{API}/exact/a/b"),
        "/.well-known/./mercure/subscriptions/exact/a/b".to_owned(),
        "/.well-known/x/../mercure/subscriptions/exact/a/b".to_owned(),
        "/.well-known%5Cmercure/subscriptions/exact/a/b".to_owned(),
        "/.well-known/%256Dercure/subscriptions/exact/a/b".to_owned(),
        "subscriptions/../mercure/subscriptions/exact/a/b".to_owned(),
    ] {
        assert_eq!(publish(&server, &all(), &format!("topic={topic}&private=on&data=x")).status, 403, "{topic}");
    }
    assert_eq!(publish(&server, &all(), "topic=a&type=mercure&data=x").status, 400, "the hub's own type of events");
}

#[test]
fn a_client_says_what_it_has_by_either_name() {
    let server = hub("anonymous\ncors_origins https://a.example").start();
    for number in 1..=3 {
        publish(&server, &all(), &format!("topic=a&data=x&id=u{number}"));
    }
    for name in ["last_event_id", "lastEventID"] {
        let mut stream = Stream::open(&server, &format!("match=a&{name}=u2"), &[("Origin", "https://a.example")]);
        assert_eq!(stream.head.header("mercure-last-event-id"), Some("u2"), "{name}");
        assert_eq!(stream.head.header("last-event-id"), Some("u2"), "{name}");
        let exposed = stream.head.header("access-control-expose-headers").unwrap_or_default().to_owned();
        assert!(exposed.contains("mercure-last-event-id"), "{exposed}");
        assert_eq!(stream.next().as_deref(), Some("id: u3\ndata: x\n\n"));
    }
}
