//! Mercure hubs of several instances: what is published on one reaches the subscribers of all, once and in order.

use crate::DEADLINE;
use crate::engines::{Engine, integer};
use crate::instance::Instance;
use crate::until;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

pub(crate) const KEY: &str = "a-key-of-the-tests-with-more-than-32-bytes";

/// Publishes as many updates as it is asked to.
pub(crate) const PUBLISH: &str = r"<?php
try {
    for ($number = $_GET['from']; $number < $_GET['to']; $number++) {
        mercure_publish('all', str_repeat('x', (int) ($_GET['bytes'] ?? 1)), id: ($_GET['name'] ?? 'p') . $number);
    }
    echo 'published';
} catch (Throwable $error) {
    echo get_class($error), ': ', $error->getMessage();
}
";

pub(crate) fn token() -> String {
    let claims = r#"{"mercure":{"publish":["*"],"subscribe":["*"]}}"#;
    let [head, claims] = [r#"{"alg":"HS256","typ":"JWT"}"#, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{head}.{claims}");
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// An instance with the sites `one.test` and `two.test`, whose hubs differ.
pub(crate) fn start(engine: &str) -> Instance {
    let site = |name: &str, heartbeat: u64| {
        format!(
            "http://{name}.test:0 {{\n bind 127.0.0.1\n mercure {{\n publisher_jwt {KEY}\n subscriber_jwt {KEY}\n \
             anonymous\n heartbeat {heartbeat}s\n max_request_body_size 4MB\n }}\n php_server {{\n root .\n }}\n}}\n"
        )
    };
    let global = format!("{{\n admin off\n frankenphp {{\n num_threads 2\n cluster {{\n {engine}\n }}\n }}\n}}\n");
    let caddyfile = format!("{global}{}{}", site("one", 40), site("two", 39));
    Instance::of(&[("Caddyfile", &caddyfile), ("index.php", PUBLISH)])
}

/// The status, the fields and the body of an answer.
pub(crate) fn ask(address: SocketAddr, request: &str, site: &str, fields: &str, body: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).expect("an instance");
    stream.set_read_timeout(Some(DEADLINE)).expect("it can be set");
    let length = body.len();
    let head = format!("{request} HTTP/1.1\r\nHost: {site}.test\r\nConnection: close\r\nContent-Length: {length}\r\n");
    stream.write_all(format!("{head}{fields}\r\n{body}").as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_owned(), body.to_owned())
}

/// Publishes by POST. Returns the status and the answer.
pub(crate) fn try_post(instance: &Instance, site: &str, form: &str) -> (u16, String) {
    let fields = format!("Authorization: Bearer {}\r\nContent-Type: application/x-www-form-urlencoded\r\n", token());
    let (status, _, body) = ask(instance.address, "POST /.well-known/mercure", site, &fields, form);
    (status, body)
}

pub(crate) fn post(instance: &Instance, site: &str, form: &str) {
    let (status, body) = try_post(instance, site, form);
    assert_eq!(status, 200, "{body}");
}

/// Publishes updates with these numbers by a script.
pub(crate) fn publish(instance: &Instance, name: &str, from: usize, to: usize) {
    let (_, _, body) = ask(instance.address, &format!("GET /?name={name}&from={from}&to={to}"), "one", "", "");
    assert!(body.contains("published"), "{body}");
}

/// The events of a stream as they have come.
pub(crate) struct Stream {
    events: Arc<Mutex<Vec<String>>>,
    /// The field `Last-Event-ID` of the answer.
    pub(crate) last_event_id: String,
    /// Reads until the stream ends.
    pub(crate) reader: JoinHandle<()>,
}

impl Stream {
    pub(crate) fn open(instance: &Instance, site: &str, fields: &str) -> Self {
        let mut stream = TcpStream::connect(instance.address).expect("an instance");
        stream.set_read_timeout(Some(DEADLINE)).expect("it can be set");
        let request = "GET /.well-known/mercure?topic=*";
        write!(stream, "{request} HTTP/1.0\r\nHost: {site}.test\r\n{fields}\r\n").expect("a request");
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let status = lines.next().expect("an answer");
        assert!(status.contains(" 200 "), "{status}");
        let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let field = |line: &String| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("last-event-id").then(|| value.to_owned())
        };
        let last_event_id = head.iter().find_map(field).unwrap_or_default();
        let events = Arc::new(Mutex::new(Vec::new()));
        let found = events.clone();
        // The stream begins with a comment.
        assert_eq!(lines.next().as_deref(), Some(":"));
        let reader = std::thread::spawn(move || {
            let mut event = Vec::new();
            for line in lines {
                if line.is_empty() {
                    found.lock().expect("no panic").push(event.join("|"));
                    event.clear();
                } else if !line.starts_with(':') {
                    event.push(line);
                }
            }
        });
        Self { events, last_event_id, reader }
    }

    pub(crate) fn of(instance: &Instance) -> Self {
        Self::open(instance, "one", "")
    }

    pub(crate) fn behind(instance: &Instance, id: &str) -> Self {
        Self::open(instance, "one", &format!("Last-Event-ID: {id}\r\n"))
    }

    /// All events, but those that only waited for the connection.
    pub(crate) fn events(&self) -> Vec<String> {
        let events = self.events.lock().expect("no panic").clone();
        events.into_iter().filter(|event| !event.contains("probe") && !event.is_empty()).collect()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.events.lock().expect("no panic").iter().any(|event| event.contains(text))
    }

    /// Waits for the event with this identifier. Returns the identifiers of all until then.
    pub(crate) fn ids(&self, last: &str) -> Vec<String> {
        let last = format!("id: {last}");
        until("the last event", || self.has(&format!("{last}|")).then_some(()));
        let id = |event: &String| event.split('|').find_map(|line| line.strip_prefix("id: ").map(str::to_owned));
        self.events().iter().filter_map(id).collect()
    }
}

/// Waits until what is published on one of them reaches the other, both ways.
pub(crate) fn connect(one: &Instance, other: &Instance) {
    for site in ["one", "two"] {
        for (from, to) in [(one, other), (other, one)] {
            let stream = Stream::open(to, site, "");
            until("a way through the engine", || {
                post(from, site, "topic=probe&data=probe");
                stream.has("probe").then_some(())
            });
        }
    }
}

pub(crate) fn numbered(name: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("{name}{number}")).collect()
}

fn updates_reach_all_instances(engine: &Engine) {
    let [a, b] = [0, 1].map(|_| start(&engine.directive()));
    connect(&a, &b);
    let (own, public, other) = (Stream::of(&a), Stream::of(&b), Stream::open(&b, "two", ""));
    let allowed = Stream::open(&b, "one", &format!("Authorization: Bearer {}\r\n", token()));

    post(&a, "one", "topic=https://example.com/books/1&topic=shelf&id=full&type=stock&retry=250&data=one%0Atwo");
    post(&a, "one", "topic=secret&id=private&data=1&private=on");
    publish(&a, "a", 0, 30);
    assert_eq!(own.ids("a29"), public.ids("a29"), "each has each of them once, and in order");
    assert_eq!(public.events()[0], "event: stock|retry: 250|id: full|data: one|data: two");
    let all = [vec!["full".to_owned()], numbered("a", 0..30)].concat();
    assert_eq!(public.ids("a29"), all);
    let with_private = [vec!["full".to_owned(), "private".to_owned()], numbered("a", 0..30)].concat();
    assert_eq!(allowed.ids("a29"), with_private);

    // The other site has another hub.
    post(&a, "two", "topic=x&id=of-two&data=1");
    assert_eq!(other.ids("of-two"), ["of-two"]);
    publish(&b, "b", 0, 3);
    assert_eq!(own.ids("b2"), [all.clone(), numbered("b", 0..3)].concat(), "without that of the other site");

    // A client continues where it was, on another instance, and on one that has just started.
    let rest = [numbered("a", 11..30), numbered("b", 0..3)].concat();
    let again = Stream::behind(&b, "a10");
    assert_eq!((again.last_event_id.as_str(), again.ids("b2")), ("a10", rest.clone()));
    let c = start(&engine.directive());
    let again = Stream::behind(&c, "b1");
    assert_eq!((again.last_event_id.as_str(), again.ids("b2")), ("b1", vec!["b2".to_owned()]));
    let again = Stream::behind(&c, "a10");
    assert_eq!((again.last_event_id.as_str(), again.ids("b2")), ("a10", rest));
    let warnings = [a, b, c].map(|instance| instance.log().matches("mercure: ").count());
    assert_eq!(warnings, [0; 3], "nothing was lost");
}

#[test]
fn redis_carries_updates_to_all_instances() {
    updates_reach_all_instances(&Engine::redis());
}

#[test]
fn etcd_carries_updates_to_all_instances() {
    updates_reach_all_instances(&Engine::etcd_with(1, "http", &[]));
}

#[test]
fn nats_carries_updates_to_all_instances() {
    updates_reach_all_instances(&Engine::nats());
}

/// A publisher is answered while the engine is away, and the others receive it when the engine is back.
fn updates_wait_for_the_engine(mut engine: Engine) {
    let [a, b] = [0, 1].map(|_| start(&engine.directive()));
    connect(&a, &b);
    let (own, other) = (Stream::of(&a), Stream::of(&b));
    publish(&a, "a", 0, 5);
    other.ids("a4");
    engine.kill();
    publish(&a, "a", 5, 20);
    assert_eq!(own.ids("a19"), numbered("a", 0..20));
    assert!(!other.has("id: a19|"));
    engine.run();
    assert_eq!(other.ids("a19"), numbered("a", 0..20));
    publish(&b, "b", 0, 1);
    own.ids("b0");
    assert!(!a.log().contains("miss") && !b.log().contains("did not come"), "{}\n{}", a.log(), b.log());
}

#[test]
fn updates_wait_for_a_redis_that_is_away() {
    updates_wait_for_the_engine(Engine::redis());
}

#[test]
fn updates_wait_for_an_etcd_that_is_away() {
    updates_wait_for_the_engine(Engine::etcd_with(1, "http", &[]));
}

#[test]
fn updates_wait_for_a_nats_that_is_away() {
    updates_wait_for_the_engine(Engine::nats());
}

/// Reloads of either side, with other settings of the hub and of the engine, lose nothing and repeat nothing.
#[test]
fn reloads_lose_no_updates_between_instances() {
    let redis = Engine::redis();
    let [a, b] = [0, 1].map(|_| start(&redis.directive()));
    connect(&a, &b);
    let before = Stream::of(&b);
    publish(&a, "a", 0, 1);
    before.ids("a0");
    std::thread::scope(|scope| {
        scope.spawn(|| (0..40).for_each(|number| publish(&a, "a", number * 5 + 1, number * 5 + 6)));
        a.reload("heartbeat 40s", "heartbeat 41s");
        b.reload("heartbeat 40s", "heartbeat 41s");
        a.reload("redis://127.0.0.1", "redis://localhost");
        b.reload("redis://127.0.0.1", "redis://localhost");
    });
    publish(&a, "a", 201, 202);
    // The reload of the hub has ended this stream. The new hub begins where it has ended.
    until("the end of the stream", || before.reader.is_finished().then_some(()));
    let last = format!("a{}", before.events().len() - 1);
    let all = [before.ids(&last), Stream::behind(&b, &last).ids("a201")].concat();
    assert_eq!(all, numbered("a", 0..202));
}

#[test]
fn an_update_that_is_too_large_for_the_cluster_is_refused() {
    let redis = Engine::redis();
    let a = start(&redis.directive());
    let data = "x".repeat(1 << 20);
    let (status, body) = try_post(&a, "one", &format!("topic=all&data={data}"));
    assert_eq!(status, 413);
    assert!(body.contains("the update has 10486") && body.contains("which takes at most 1047552"), "{body}");
    let (_, _, body) = ask(a.address, "GET /?from=0&to=1&bytes=1048576", "one", "", "");
    assert!(body.contains("ValueError: ") && body.contains("at most 1047552"), "{body}");
}

/// What another program or a later release has written is counted, and not sent to subscribers.
#[test]
fn updates_that_cannot_be_read_are_refused() {
    let redis = Engine::redis();
    let [a, b] = [0, 1].map(|_| start(&redis.directive()));
    connect(&a, &b);
    let stream = Stream::of(&b);
    let port = redis.servers[0].port;
    let add = |text: &str| integer(port, &format!("XADD {{igor:mercure/one.test}}:updates * u \"{text}\""));
    add(r"IGUP\x02later");
    add("rubbish");
    publish(&a, "a", 0, 1);
    assert_eq!(stream.ids("a0"), ["a0"]);
    let log = b.log();
    assert!(log.contains("it has the version 2 of the format, and this instance knows the version 1"), "{log}");
    assert_eq!(log.matches("is not sent to subscribers").count(), 1, "one record for both: {log}");
}

/// An update of another program with the largest number, and a log that is deleted while the connections stay.
#[test]
fn a_reader_continues_after_anything_in_the_log() {
    let redis = Engine::redis();
    let [a, b] = [0, 1].map(|_| start(&redis.directive()));
    connect(&a, &b);
    let stream = Stream::of(&b);
    let port = redis.servers[0].port;
    let add = |place: &str, bytes: &[u8]| {
        let text: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
        integer(port, &format!("XADD {{igor:mercure/one.test}}:updates {place} u \"{text}\""));
    };
    for number in [1, u64::MAX] {
        let text =
            |text: &str| [&u32::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat();
        let head = [b"IGUP\x01".as_slice(), &7_u64.to_be_bytes(), &number.to_be_bytes(), &[0; 9]].concat();
        let rest = [text(&format!("of-{number}")), text(""), 1_u32.to_be_bytes().to_vec(), text("all"), text("1")];
        add("*", &[head, rest.concat()].concat());
    }
    publish(&a, "a", 0, 1);
    assert_eq!(stream.ids("a0"), ["of-1", &format!("of-{}", u64::MAX), "a0"]);
    add("99999999999999-0", b"rubbish");
    until("the reader behind it", || b.log().contains("is not sent to subscribers").then_some(()));
    integer(port, "DEL {igor:mercure/one.test}:updates");
    publish(&a, "a", 1, 20);
    assert_eq!(stream.ids("a19")[3..], numbered("a", 1..20));
}
