//! The Mercure hub, by the protocol's own means: publishing by POST, and streams of events.

use crate::common::{Connection, DEADLINE, Igor, Request, Response, Server, igor as igor_command};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(crate) const HUB: &str = "/.well-known/mercure";
pub(crate) const KEY: &str = "a-key-of-the-tests-with-more-than-32-bytes";

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with these claims, signed by a shared secret.
pub(crate) fn token_by(key: &str, claims: &str) -> String {
    let message = format!("{}.{}", encoded(r#"{"alg":"HS256","typ":"JWT"}"#), encoded(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()), message.as_bytes());
    format!("{message}.{}", encoded(signature))
}

pub(crate) fn token(mercure: &str) -> String {
    token_by(KEY, &format!(r#"{{"mercure":{mercure}}}"#))
}

pub(crate) fn all() -> String {
    token(r#"{"publish":["*"],"subscribe":["*"]}"#)
}

pub(crate) fn hub(lines: &str) -> Igor {
    Igor::new().site(&format!("mercure {{\npublisher_jwt {KEY}\nsubscriber_jwt {KEY} HS256\n{lines}\n}}"))
}

pub(crate) fn publish(server: &Server, token: &str, form: &str) -> Response {
    server.send(&Request::form(HUB, form).header("Authorization", &format!("Bearer {token}")))
}

/// A stream of events.
pub(crate) struct Stream {
    connection: Connection,
    pub(crate) head: Response,
}

impl Stream {
    pub(crate) fn try_open(server: &Server, query: &str, fields: &[(&str, &str)]) -> Self {
        let mut connection = server.connect();
        let request = Request::get(&format!("{HUB}?{query}"));
        connection.write(&fields.iter().fold(request, |request, (name, value)| request.header(name, value)));
        let head = connection.read_head();
        Self { connection, head }
    }

    pub(crate) fn open(server: &Server, query: &str, fields: &[(&str, &str)]) -> Self {
        let mut stream = Self::try_open(server, query, fields);
        assert_eq!(stream.head.status, 200, "{query}");
        assert_eq!(stream.head.header("content-type"), Some("text/event-stream"));
        assert_eq!(stream.next().as_deref(), Some(":\n"), "the stream begins with a comment");
        stream
    }

    /// The next piece; `None`: the end.
    pub(crate) fn next(&mut self) -> Option<String> {
        let chunk = self.connection.read_chunk().expect("the stream is complete");
        chunk.map(|bytes| String::from_utf8(bytes).expect("events are text"))
    }
}

/// The claim: what the specification and the documentation of the reference hub show works here.
#[test]
fn an_update_reaches_its_subscribers() {
    let server = hub("anonymous").start();
    let mut book = Stream::open(&server, "topic=https%3A%2F%2Fexample.com%2Fbooks%2F%7Bid%7D", &[]);
    let mut other = Stream::open(&server, "topic=https://example.com/users/1&topic=end", &[]);
    let published = publish(
        &server,
        &all(),
        "topic=https://example.com/books/1&data=first+line%0Asecond%C3%A9&id=urn:x:1&type=message&retry=1500",
    );
    assert_eq!((published.status, published.text().as_str()), (200, "urn:x:1"));
    assert_eq!(
        book.next().as_deref(),
        Some("event: message\nretry: 1500\nid: urn:x:1\ndata: first line\ndata: secondé\n\n")
    );
    let id = publish(&server, &all(), "topic=end&data=x").text();
    assert!(id.starts_with("urn:uuid:") && id.len() == 45, "{id}");
    assert_eq!(other.next(), Some(format!("id: {id}\ndata: x\n\n")), "it got nothing of another topic");
    // Several topics are names of one update: it comes once.
    let id = publish(&server, &all(), "topic=end&topic=https://example.com/users/1&data").text();
    assert_eq!(other.next(), Some(format!("id: {id}\ndata: \n\n")));
    assert_eq!(server.get(HUB).status, 400, "a subscription needs a topic");
    assert_eq!(server.get(&format!("{HUB}/none")).status, 404);
    assert_eq!(server.get("/.well-known/mercurex").status, 404, "another path is not the hub's");
    let head = server.send(&Request::new("HEAD", &format!("{HUB}?topic=x")));
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
}

#[test]
fn private_updates_need_a_claim() {
    let server = hub("anonymous").start();
    let of_user = token(r#"{"subscribe":["/users/1/{?topic}"]}"#);
    let mut anonymous = Stream::open(&server, "topic=/books/1", &[]);
    let mut by_field = Stream::open(&server, "topic=/books/1", &[("Authorization", &format!("Bearer {of_user}"))]);
    let mut by_parameter = Stream::open(&server, &format!("topic=/books/1&authorization={of_user}"), &[]);
    let cookie = format!("a=b; mercureAuthorization={of_user}");
    let mut by_cookie = Stream::open(&server, "topic=/books/1", &[("Cookie", &cookie)]);
    let namespaced = token_by(KEY, r#"{"https://mercure.rocks/":{"subscribe":["*"]}}"#);
    let mut by_namespace = Stream::open(&server, &format!("topic=*&authorization={namespaced}"), &[]);

    publish(&server, &all(), "topic=/books/1&private=on&data=other&id=1");
    publish(&server, &all(), "topic=/books/1&topic=/users/1/?topic=books&private=on&data=own&id=2");
    publish(&server, &all(), "topic=/books/1&data=public&id=3");
    assert_eq!(anonymous.next().as_deref(), Some("id: 3\ndata: public\n\n"));
    for (stream, expected) in
        [(&mut by_field, "2 3"), (&mut by_parameter, "2 3"), (&mut by_cookie, "2 3"), (&mut by_namespace, "1 2 3")]
    {
        for id in expected.split(' ') {
            let event = stream.next().expect("an event");
            assert!(event.starts_with(&format!("id: {id}\n")), "{event}");
        }
    }
}

#[test]
fn tokens_that_allow_nothing() {
    let server = hub("").start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let none = format!("{}.{}.", encoded(r#"{"alg":"none"}"#), encoded(r#"{"mercure":{"publish":["*"]}}"#));
    let other_algorithm =
        format!("{}.{}.x", encoded(r#"{"alg":"RS256"}"#), encoded(r#"{"mercure":{"publish":["*"]}}"#));
    let valid = all();
    let claims = r#"{"mercure":{"publish":["*"],"subscribe":["*"]}"#;
    for (what, token) in [
        ("no token", String::new()),
        ("no token at all", "x".repeat(100)),
        ("alg none", none.clone()),
        ("alg none with a signature", format!("{none}{}", valid.rsplit('.').next().unwrap_or_default())),
        ("another algorithm", other_algorithm),
        ("another key", token_by("another key", &format!("{claims}}}"))),
        ("another key of length 0", token_by("", &format!("{claims}}}"))),
        ("expired", token_by(KEY, &format!("{claims},\"exp\":{}}}", now - 1))),
        ("expired, as a text", token_by(KEY, &format!("{claims},\"exp\":\"{}\"}}", now - 1))),
        ("not valid yet", token_by(KEY, &format!("{claims},\"nbf\":{}}}", now + 1000))),
        ("changed claims", {
            let parts: Vec<&str> = valid.split('.').collect();
            format!("{}.{}.{}", parts[0], encoded(r#"{"mercure":{"publish":["*","x"]}}"#), parts[2])
        }),
        ("no claims", token_by(KEY, "{}")),
        ("claims of another form", token_by(KEY, r#"{"mercure":{"publish":"*"}}"#)),
        ("a subscriber's", token(r#"{"subscribe":["*"]}"#)),
        ("no topic", token(r#"{"publish":[]}"#)),
        ("another topic", token(r#"{"publish":["/other","/books/{id}/x"]}"#)),
        ("100,000 topics", token(&format!(r#"{{"publish":[{}"/books/1"]}}"#, "\"/x\",".repeat(1000)))),
        ("too many selectors in all", {
            let many = "\"/x\",".repeat(600);
            token(&format!(r#"{{"publish":[{many}"*"],"subscribe":[{many}"*"]}}"#))
        }),
        ("too many variables", token(&format!(r#"{{"publish":["*","{}"]}}"#, "{a}".repeat(1001)))),
    ] {
        let answer = publish(&server, &token, "topic=/books/1&data=x");
        assert_eq!(answer.status, 401, "{what}: {}", answer.text());
        assert!(!answer.text().contains("eyJ"), "{what}: the answer repeats the token");
    }
    assert_eq!(server.send(&Request::form(HUB, "topic=/books/1")).status, 401);
    assert_eq!(Stream::try_open(&server, "topic=x", &[]).head.status, 401, "the hub is not anonymous");
    assert_eq!(Stream::try_open(&server, "topic=x&authorization=x.y.z", &[]).head.status, 401);
    let one = token(r#"{"publish":["/books/{id}"]}"#);
    assert_eq!(publish(&server, &one, "topic=/books/1&data=x").status, 200);
    assert_eq!(publish(&server, &one, "topic=/books/1&topic=/users/1&data=x").status, 401);
    assert_eq!(publish(&server, &token_by(KEY, &format!("{claims},\"exp\":{}}}", now + 60)), "topic=a").status, 200);
}

/// A public key is no secret: who has it must not be able to sign with it.
#[test]
fn public_keys() {
    let pair = rcgen::KeyPair::generate().expect("a key for ES256");
    let pem = pair.public_key_pem();
    let site = |key: &str, algorithm: &str| {
        Igor::new().site(&format!("mercure {{\nanonymous\npublisher_jwt {key} {algorithm}\n}}"))
    };
    let server = site("{env.PUBLIC_KEY}", "ES256").env("PUBLIC_KEY", &pem).start();
    let message = format!("{}.{}", encoded(r#"{"alg":"ES256"}"#), encoded(r#"{"mercure":{"publish":["*"]}}"#));
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.serialize_der(), &random);
    let signature = signer.expect("the key can sign").sign(&random, message.as_bytes()).expect("a signature");
    assert_eq!(publish(&server, &format!("{message}.{}", encoded(signature)), "topic=x").status, 200);
    let forged = token_by(&pem, r#"{"mercure":{"publish":["*"]}}"#);
    assert_eq!(publish(&server, &forged, "topic=x").status, 401);

    let log = site("{env.PUBLIC_KEY}", "HS256").env("PUBLIC_KEY", &pem).start_fails().log;
    assert!(log.contains("a key in PEM needs an algorithm with public keys"), "{log}");
    let log = site("{env.PUBLIC_KEY}", "RS256").env("PUBLIC_KEY", &pem).start_fails().log;
    assert!(log.contains("`mercure`: the key cannot be read"), "{log}");
    let log = site("secret-text", "ES256").start_fails().log;
    assert!(log.contains("this algorithm needs a public key in PEM") && !log.contains("secret-text"), "{log}");
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed() {
    let server = hub("anonymous\ntransport local {\nsize 3\n}").start();
    for number in 1..=3 {
        publish(&server, &all(), &format!("topic=a&data={number}&id=u{number}"));
    }
    publish(&server, &all(), "topic=a&data=secret&id=u4&private=on");
    let ids = |query: &str, field: &[(&str, &str)], count: usize| {
        let mut stream = Stream::open(&server, query, field);
        let events: Vec<String> = (0..count).map(|_| stream.next().expect("an event")).collect();
        (stream.head.header("last-event-id").map(str::to_owned), events.concat())
    };
    let events = |numbers: &[u8]| numbers.iter().map(|n| format!("id: u{n}\ndata: {n}\n\n")).collect::<String>();
    let known = |id: &str| Some(id.to_owned());
    assert_eq!(ids("topic=a", &[("Last-Event-ID", "u2")], 1), (known("u2"), events(&[3])));
    assert_eq!(ids("topic=a&lastEventID=u2", &[], 1), (known("u2"), events(&[3])));
    // The first one is not kept any more: the field says from where on the client gets the updates.
    assert_eq!(ids("topic=a&lastEventID=u1", &[], 2), (known("u1"), events(&[2, 3])));
    assert_eq!(ids("topic=a&lastEventID=earliest", &[], 2), (known("u1"), events(&[2, 3])));
    assert_eq!(ids("topic=b&lastEventID=earliest", &[], 0), (known("u1"), String::new()));
    assert_eq!(ids("topic=a", &[], 0), (None, String::new()));
}

/// A client that comes while updates are on their way gets each of them once, in their order: from the history or from its queue.
#[test]
fn subscribing_while_others_publish() {
    const UPDATES: usize = 200;
    let server = hub("anonymous\ndispatch_timeout 1h\ntransport local {\nsize 1000\n}").start();
    publish(&server, &all(), "topic=a&data=0&id=u0");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..=UPDATES {
                publish(&server, &all(), &format!("topic=a&data={number}&id=u{number}"));
            }
        });
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..4 {
                    let mut stream = Stream::open(&server, "topic=a&lastEventID=u0", &[]);
                    for number in 1..=UPDATES {
                        assert_eq!(stream.next(), Some(format!("id: u{number}\ndata: {number}\n\n")));
                    }
                }
            });
        }
    });
}

#[test]
fn updates_that_cannot_be_published() {
    let server = hub("anonymous\nmax_request_body_size 100KB").start();
    let many = |count: usize| "topic=t&".repeat(count);
    for (what, form, status) in [
        ("no topic", "data=x".to_owned(), 400),
        ("an empty topic", "topic=&data=x".to_owned(), 400),
        ("too many topics", many(201), 400),
        ("100,000 topics", many(100_000), 413),
        ("a huge body", format!("topic=a&data={}", "x".repeat(200_000)), 413),
        ("a long topic", format!("topic={}", "x".repeat(5000)), 400),
        ("a line break in a topic", "topic=a%0Ab".to_owned(), 400),
        ("a line break in the identifier", "topic=a&id=1%0Adata:+forged".to_owned(), 400),
        ("a carriage return in the type", "topic=a&type=1%0Ddata:+forged".to_owned(), 400),
        ("an identifier with the sign of a fragment", "topic=a&id=%231".to_owned(), 400),
        ("no number", "topic=a&retry=soon".to_owned(), 400),
        ("a negative number", "topic=a&retry=-1".to_owned(), 400),
        ("a number with a sign", "topic=a&retry=%2B1".to_owned(), 400),
        ("the name of the time before all updates", "topic=a&id=earliest".to_owned(), 400),
        ("a zero byte in the identifier", "topic=a&id=1%00".to_owned(), 400),
        ("a zero byte in the type", "topic=a&type=x%00".to_owned(), 400),
        ("the hub's own topic", "topic=/.well-known/mercure/subscriptions/a/b".to_owned(), 403),
        ("as many topics as allowed", many(200), 200),
    ] {
        assert_eq!(publish(&server, &all(), &form).status, status, "{what}");
    }
    // A stranger's body is not even read.
    let mut connection = server.connect();
    connection.write_raw(format!("POST {HUB} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n").as_bytes());
    assert_eq!(connection.read_head().status, 401);
    let topics = format!("{}topic=a", many(200));
    assert_eq!(Stream::try_open(&server, &topics, &[]).head.status, 400, "too many selectors");
    let variables = format!("topic={}", "{a}".repeat(501));
    assert_eq!(Stream::try_open(&server, &variables, &[]).head.status, 400, "too many variables");
    assert_eq!(server.send(&Request::new("PUT", HUB)).status, 405);
    let mut stream = Stream::open(&server, "topic=a", &[]);
    publish(&server, &all(), "topic=a&data=a%0D%0Ab%0Dc&id=1");
    assert_eq!(stream.next().as_deref(), Some("id: 1\ndata: a\ndata: b\ndata: c\n\n"));
}

#[test]
fn origins() {
    let server =
        hub("anonymous\ncors_origins https://a.example/ https://b.example\npublish_origins https://a.example").start();
    let asked = |origin: &str| {
        let answer = server.send(&Request::new("OPTIONS", HUB).header("Origin", origin));
        let value = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        (answer.status, value("access-control-allow-origin"), value("access-control-allow-credentials"))
    };
    assert_eq!(asked("https://b.example"), (204, "https://b.example".to_owned(), "true".to_owned()));
    assert_eq!(asked("https://a.example"), (204, "https://a.example".to_owned(), "true".to_owned()));
    assert_eq!(asked("https://c.example"), (204, String::new(), String::new()));
    let stream = Stream::open(&server, "topic=x", &[("Origin", "https://b.example")]);
    assert_eq!(stream.head.header("access-control-allow-origin"), Some("https://b.example"));

    let cookie = format!("mercureAuthorization={}", all());
    for (field, value, status) in [
        ("Origin", "https://a.example", 200),
        ("Referer", "https://a.example/page?x", 200),
        ("Origin", "https://b.example", 403),
        ("Referer", "https://a.example.evil.example/", 403),
        ("X-Nothing", "", 403),
    ] {
        let request = Request::form(HUB, "topic=x&data=y").header("Cookie", &cookie).header(field, value);
        assert_eq!(server.send(&request).status, status, "{field}: {value}");
    }
    let open = hub("anonymous\ncors_origins *").start();
    let stream = Stream::open(&open, "topic=x", &[("Origin", "https://any.example")]);
    assert_eq!(stream.head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(stream.head.header("access-control-allow-credentials"), None, "no cookies for all the world");
}

#[test]
fn streams_have_heartbeats_and_an_end() {
    let server = hub("heartbeat 50ms\nwrite_timeout 1h").start();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs();
    let claims = format!(r#"{{"mercure":{{"subscribe":["*"]}},"exp":{}}}"#, now + 3);
    let began = Instant::now();
    let mut stream = Stream::open(&server, &format!("topic=x&authorization={}", token_by(KEY, &claims)), &[]);
    assert_eq!(stream.next().as_deref(), Some(":\n"), "a heartbeat");
    while stream.next().is_some() {}
    assert!(began.elapsed().as_secs() < 60, "the stream ends when its token expires");
    let server = hub("anonymous\nheartbeat 0\nwrite_timeout 100ms").start();
    let mut stream = Stream::open(&server, "topic=x", &[]);
    assert_eq!(stream.next(), None, "the stream ends after its time");
}

/// A client that does not read costs a bounded queue, and then its stream.
#[test]
fn slow_subscribers_are_dropped() {
    let server = hub("anonymous\ndispatch_timeout 1h").admin().start();
    let slow = Stream::open(&server, "topic=a", &[]);
    let mut fast = Stream::open(&server, "topic=b", &[]);
    let form = format!("topic=a&data={}", "x".repeat(1_000_000));
    let mut published = 0;
    let dropped = || {
        let metrics = server.ask_admin(&Request::get("/metrics")).text();
        metrics.contains("\nmercure_subscribers_connected 1\n")
    };
    while !dropped() {
        publish(&server, &all(), &form);
        published += 1;
        assert!(published < 100, "the queue has a bound");
    }
    server.wait_log(&["subscribers that read too slowly were disconnected", "dropped=1"]);
    publish(&server, &all(), "topic=b&data=still+here&id=1");
    assert_eq!(fast.next().as_deref(), Some("id: 1\ndata: still here\n\n"));
    let metrics = server.ask_admin(&Request::get("/metrics")).text();
    assert!(metrics.contains("\nmercure_subscribers_total 2\n"), "{metrics}");
    assert!(metrics.contains(&format!("\nmercure_updates_total {}\n", published + 1)), "{metrics}");
    drop(slow);
}

pub(crate) fn reload_with(server: &Server, change: &dyn Fn(String) -> String) {
    let file = server.path("Caddyfile");
    let text = change(fs::read_to_string(&file).expect("the configuration"));
    fs::write(&file, text).expect("files can be written");
    let answer = server.ask_admin(&Request::post("/load", ""));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// It was answered with 200, and no one received it.
#[test]
fn a_publication_during_a_reload_reaches_the_new_hub() {
    let form = "topic=a&data=late&id=1";
    let begin = |server: &Server| {
        let mut publisher = TcpStream::connect(server.address()).expect("the server listens");
        publisher.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        let head = format!(
            "POST {HUB} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\nConnection: close\r\n\
             Expect: 100-continue\r\n\r\n",
            all(),
            form.len()
        );
        publisher.write_all(head.as_bytes()).expect("the server reads");
        let mut waits = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
        publisher.read_exact(&mut waits).expect("the old hub waits for the body");
        assert!(waits.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&waits));
        publisher
    };
    let end = |mut publisher: TcpStream| {
        publisher.write_all(form.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        publisher.read_to_string(&mut answer).expect("the whole answer");
        answer
    };
    let server = hub("anonymous").admin().start();
    let mut old = Stream::open(&server, "topic=a", &[]);
    let publisher = begin(&server);
    reload_with(&server, &|text| text.replacen("anonymous", "anonymous\nheartbeat 1m", 1));
    assert_eq!(old.next(), None);
    let mut new = Stream::open(&server, "topic=a", &[]);
    assert!(end(publisher).starts_with("HTTP/1.1 200 "));
    assert_eq!(new.next().as_deref(), Some("id: 1\ndata: late\n\n"));

    // Without a hub in its place, the publisher should know.
    let server = hub("anonymous").admin().start();
    let publisher = begin(&server);
    reload_with(&server, &|text| {
        let (before, rest) = text.split_once("mercure {").expect("a hub");
        let (_, after) = rest.split_once('}').expect("its end");
        format!("{before}respond ok{after}")
    });
    let answer = end(publisher);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: 5\r\n"), "{answer}");
}

#[test]
fn streams_over_reloads_and_the_end_of_the_server() {
    let mut server = hub("anonymous").global("grace_period 30s").admin().start();
    let mut stream = Stream::open(&server, "topic=a", &[]);
    let reload = |change: &dyn Fn(String) -> String| reload_with(&server, change);
    reload(&|text| text.replacen("mercure {", "header X-New yes\nmercure {", 1));
    assert_eq!(server.get("/").header("x-new"), Some("yes"));
    publish(&server, &all(), "topic=a&data=x&id=1");
    assert_eq!(stream.next().as_deref(), Some("id: 1\ndata: x\n\n"), "the same hub is there after a reload");
    reload(&|text| text.replacen("anonymous", "anonymous\nheartbeat 1m", 1));
    assert_eq!(stream.next(), None, "a hub with other settings is another one, and the client connects again");
    let mut stream = Stream::open(&server, "topic=a", &[]);
    let began = Instant::now();
    let stopped = server.stop_by(Signal::TERM);
    assert_eq!(stream.next(), None, "the stream ends in order");
    assert!(began.elapsed().as_secs() < 20, "no stream holds the server up");
    assert!(!stopped.log.contains(KEY) && !stopped.log.contains("eyJ"), "no secret is logged: {}", stopped.log);
}

#[test]
fn keys_are_not_shown() {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let file = dir.path().join("Caddyfile");
    fs::write(&file, format!(":0 {{\nmercure {{\npublisher_jwt {KEY}\nanonymous\n}}\n}}\n")).expect("a file");
    let output = igor_command().args(["adapt", "--config"]).arg(&file).output().expect("the program can be started");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("\"mercure\"") && !shown.contains(KEY), "{shown}");
    fs::write(&file, format!(":0 {{\nmercure {{\npublisher_jwt {KEY}\n}}\n}}\n")).expect("a file");
    let output = igor_command().args(["validate", "--config"]).arg(&file).output().expect("the program can be started");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("no one can subscribe to this hub") && !shown.contains(KEY), "{shown}");
}

/// As in FrankenPHP: a script needs no token, because the hub is in its own server.
#[test]
fn scripts_publish() {
    let site = "root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\n}";
    let server = Igor::new().frankenphp("num_threads 2").site(&format!("mercure {{\nanonymous\n}}\n{site}")).start();
    let mut stream = Stream::open(&server, "topic=/books/{id}", &[]);
    let id = server.eval("return mercure_publish('/books/1', 'from a script');").value();
    assert_eq!(stream.next(), Some(format!("id: {}\ndata: from a script\n\n", id.as_str().expect("an identifier"))));
    let code = "return mercure_publish(['/other', '/books/2'], \"a\\nb\", id: 'urn:x', type: 'changed', retry: 5);";
    assert_eq!(server.eval(code).value(), "urn:x");
    assert_eq!(stream.next().as_deref(), Some("event: changed\nretry: 5\nid: urn:x\ndata: a\ndata: b\n\n"));
    server.eval("mercure_publish('/books/3', 'private', true); mercure_publish('/books/4', id: 'last');").value();
    assert_eq!(stream.next().as_deref(), Some("id: last\ndata: \n\n"));
    // A burst ended the streams of clients that read, too.
    server.eval("for ($i = 0; $i < 1000; $i++) { mercure_publish('/books/9', \"$i\", id: \"b$i\"); }").value();
    for number in 0..1000 {
        assert_eq!(stream.next(), Some(format!("id: b{number}\ndata: {number}\n\n")));
    }
    let caught = |code: &str| {
        let code = format!("try {{ {code} }} catch (Throwable $e) {{ return $e::class . ': ' . $e->getMessage(); }}");
        server.eval(&code).value().as_str().unwrap_or_default().to_owned()
    };
    for (code, expected) in [
        ("mercure_publish([]);", "ValueError: mercure_publish(): Missing \"topic\" parameter"),
        ("mercure_publish(\"a\\nb\");", "ValueError: mercure_publish(): a topic is empty, too long"),
        ("mercure_publish('a', id: \"1\\ndata: forged\");", "ValueError: mercure_publish(): the \"id\" is too long"),
        ("mercure_publish('/.well-known/mercure/subscriptions/a/b');", "ValueError: mercure_publish(): topics below"),
        ("mercure_publish(['a', 1]);", "TypeError: mercure_publish(): Argument #1 ($topics) must be"),
        ("mercure_publish('a', retry: -1);", "ValueError: mercure_publish(): Argument #6 ($retry) must be"),
    ] {
        assert!(caught(code).starts_with(expected), "{code}: {}", caught(code));
    }
    let without = Igor::new().frankenphp("num_threads 2").site(site).start();
    let code = "try { mercure_publish('a'); } catch (RuntimeException $e) { return $e->getMessage(); }";
    assert_eq!(without.eval(code).value(), "mercure_publish(): No Mercure hub configured");
}

/// Each version of a worker's array is an update, and a client that was away continues where it was.
#[test]
fn snapshots_feed_the_hub() {
    let worker = r#"<?php
        $handle = frankenphp_get_worker_handle();
        for ($n = 1; ; $n++) {
            frankenphp_set_vars(['banner' => "number $n", 'list' => [1, 2.5, null, true]]);
            $read = [$handle];
            $write = $except = [];
            if (stream_select($read, $write, $except, 0, 20000)) {
                break;
            }
        }
    "#;
    let block = |name: &str, feed: &str| {
        format!("worker {{\nfile settings.php\nbackground\nname {name}\nnum 1\nmercure {feed}\n}}\n")
    };
    let workers = block("settings", "/settings") + &block("hidden", "/hidden private");
    let site = format!("mercure {{\nanonymous\ntransport local {{\nsize 100000\n}}\n}}\nphp_server {{\n{workers}}}");
    let server = Igor::new().frankenphp("num_threads 2").site(&site).file("settings.php", worker).start();
    let event = |number: usize| {
        let data = format!(r#"{{"banner":"number {number}","list":[1,2.5,null,true]}}"#);
        format!("id: settings:{number}\ndata: {data}\n\n")
    };
    let mut stream = Stream::open(&server, "topic=*&lastEventID=earliest", &[]);
    for number in 1..=5 {
        assert_eq!(stream.next(), Some(event(number)));
    }
    let mut again = Stream::open(&server, "topic=/settings", &[("Last-Event-ID", "settings:3")]);
    assert_eq!(again.head.header("last-event-id"), Some("settings:3"));
    for number in 4..=9 {
        assert_eq!(again.next(), Some(event(number)));
    }
    let log = Igor::new().site(&format!("php_server {{\n{workers}}}")).file("settings.php", worker).start_fails().log;
    assert!(log.contains("the site of this worker has no hub for its `mercure`"), "{log}");
}

/// With `merge-patch` a client gets what has changed, and a whole array now and then.
#[test]
fn snapshots_feed_the_hub_with_changes() {
    let worker = r#"<?php
        $state = ['title' => 'é"', 'list' => range(1, 50), 'count' => ['value' => 0, 'old' => true]];
        frankenphp_set_vars($state);
        $handle = frankenphp_get_worker_handle();
        for ($n = 1; ; $n++) {
            $read = [$handle];
            $write = $except = [];
            if (stream_select($read, $write, $except, 0, 2000)) {
                break;
            }
            unset($state['count']['old']);
            $state['count']['value'] = $n;
            $state['none'] = $n === 3 ? null : $n;
            frankenphp_set_vars($state);
        }
    "#;
    let block = "worker {\nfile settings.php\nbackground\nname settings\nnum 1\nmercure /settings merge-patch\n}\n";
    let site = format!("mercure {{\nanonymous\ntransport local {{\nsize 100000\n}}\n}}\nphp_server {{\n{block}}}");
    let server = Igor::new().frankenphp("num_threads 2").site(&site).file("settings.php", worker).start();
    let mut stream = Stream::open(&server, "topic=/settings&lastEventID=earliest", &[]);
    let mut next = || {
        let text = stream.next().expect("an event");
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        (field("event: "), field("id: "), field("data: "))
    };
    let whole = |number: usize, none: &str| {
        let list: Vec<String> = (1..=50).map(|number: u32| number.to_string()).collect();
        format!(r#"{{"title":"é\"","list":[{}],"count":{{"value":{number}}},"none":{none}}}"#, list.join(","))
    };
    let (kind, first, data) = next();
    assert_eq!(kind, "");
    assert!(data.contains(r#""old":true"#) && data.contains(r#""list":[1,2,"#), "{data}");
    let run = first.strip_suffix(".1").expect("the first version").to_owned();
    assert!(run.starts_with("settings:") && run.len() > 15, "{run}");
    let patch = |number: usize, data: &str| ("merge-patch".to_owned(), format!("{run}.{number}"), data.to_owned());
    assert_eq!(next(), patch(2, r#"{"count":{"value":1,"old":null},"none":1}"#));
    assert_eq!(next(), patch(3, r#"{"count":{"value":2},"none":2}"#));
    // A member that becomes null cannot be in a patch.
    assert_eq!(next(), (String::new(), format!("{run}.4"), whole(3, "null")));
    for number in 4..=103 {
        assert_eq!(next(), patch(number + 1, &format!(r#"{{"count":{{"value":{number}}},"none":{number}}}"#)));
    }
    assert_eq!(next(), (String::new(), format!("{run}.105"), whole(104, "104")), "after 100 changes comes a whole one");
}
