//! Mercure hubs of several instances when something is wrong with the engine, with its settings or with what is in it.

use crate::engines::{Engine, free_port, integer, nats_with};
use crate::hubs::{KEY, PUBLISH, Stream, connect, numbered, post, publish, start, token, try_post};
use crate::instance::Instance;
use crate::nats::{call, call_once};
use crate::proxy::{Proxy, Way, Weather};
use crate::until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LOG: &str = "{igor:mercure/one.test}:updates";

/// An update as another program writes it.
fn update(sender: u64, number: u64, id: &str) -> Vec<u8> {
    let text = |text: &str| [&u32::try_from(text.len()).expect("short").to_be_bytes()[..], text.as_bytes()].concat();
    let head = [b"IGUP\x01".as_slice(), &sender.to_be_bytes(), &number.to_be_bytes(), &[0; 9]].concat();
    let rest = [text(id), text(""), 1_u32.to_be_bytes().to_vec(), text("all"), text("1")];
    [head, rest.concat()].concat()
}

/// The records of a hub's updates that were too large to be read.
fn skipped(instance: &Instance) -> usize {
    instance.log().matches("it is larger than any update of a hub").count()
}

/// A command for Redis whose words may be any bytes. Returns how its answer begins.
fn redis(port: u16, words: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("redis");
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).bytes());
        command.extend(*word);
        command.extend(b"\r\n");
    }
    stream.write_all(&command).expect("a command");
    let mut answer = [0; 64];
    let count = stream.read(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

/// What waits for a slow engine when an instance stops was lost without a record.
#[test]
fn what_is_lost_at_a_stop_is_recorded() {
    let engine = Engine::redis();
    let proxy = Proxy::start(engine.addresses()[0]);
    let [mut a, b] = [&engine.at(&[proxy.address]), &engine.directive()].map(|engine| start(engine));
    connect(&a, &b);
    proxy.set(Weather::Cut);
    publish(&a, "a", 0, 5);
    a.signal(rustix::process::Signal::TERM);
    until("its end", || a.child.try_wait().expect("it was started"));
    let record = "other instances miss the last updates of a hub";
    until("a record", || a.log().contains(record).then_some(()));
    let log = a.log();
    let line = log.lines().find(|line| line.contains(record)).expect("a record");
    assert!(line.contains("dropped=5") && line.contains("one.test"), "{line}");
}

/// A client that came back to an instance whose history was not complete got newer updates, and never those between.
#[test]
fn a_client_that_comes_back_early_misses_nothing() {
    let engine = Engine::redis();
    let a = start(&engine.directive());
    publish(&a, "a", 0, 200);
    let port = engine.servers[0].port;
    until("the updates in the log", || (integer(port, &format!("XLEN {LOG}")) == 200).then_some(()));
    let (is_open, is_held) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (gate, held) = (is_open.clone(), is_held.clone());
    // The answer with this update is late.
    let proxy = Proxy::with(engine.addresses()[0], move |way, bytes| {
        if way == Way::ToClient && bytes.windows(4).any(|window| window == b"a100") {
            held.store(true, Ordering::Relaxed);
            while !gate.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let b = start(&engine.at(&[proxy.address]));
    until("a part of the past", || is_held.load(Ordering::Relaxed).then_some(()));
    let early = Stream::behind(&b, "a10");
    is_open.store(true, Ordering::Relaxed);
    until("the whole past", || {
        publish(&a, "c", 0, 1);
        (early.has("id: c0|") || early.reader.is_finished()).then_some(())
    });
    assert!(!early.has("id: c0|"), "it continues behind a gap: {:?}", early.events().last());
    until("the end of the early stream", || early.reader.is_finished().then_some(()));
    let last = format!("a{}", 10 + early.events().len());
    let again = Stream::behind(&b, &last);
    let all = [early.ids(&last), again.ids("a199")].concat();
    // Behind them there may be those that were published since.
    assert_eq!(all[..189], numbered("a", 11..200));
}

/// While the engine was away, each client that came back waited for a second. Most are quicker also on a busy machine.
#[test]
fn no_client_waits_for_an_engine_that_is_away() {
    let a = start(&format!("engine redis redis://127.0.0.1:{}", free_port()));
    until("a failure", || a.log().contains("receiving updates from").then_some(()));
    post(&a, "one", "topic=all&data=1&id=own");
    let mut times = [(); 10].map(|()| {
        let begin = Instant::now();
        drop(Stream::behind(&a, "own"));
        begin.elapsed()
    });
    times.sort();
    assert!(times[5] < Duration::from_secs(1), "{times:?}");
}

/// Much in the log came in one answer, which a slow network did not bring in time. Something of another program is among it.
#[test]
fn a_reader_of_redis_asks_for_little_at_once() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let key = LOG.as_bytes();
    let answer = redis(port, &[b"XADD", key, b"*", b"u", &vec![b'x'; 5 << 20]]);
    assert!(answer.starts_with('$'), "{answer}");
    let a = start(&engine.directive());
    for number in 0..12 {
        let data = "x".repeat(500_000);
        post(&a, "one", &format!("topic=all&id=a{number}&data={data}"));
    }
    until("the updates in the log", || (integer(port, &format!("XLEN {LOG}")) == 13).then_some(()));
    let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let largest = most.clone();
    let proxy = Proxy::with(engine.addresses()[0], move |way, bytes| {
        if way == Way::ToServer {
            now.store(0, Ordering::Relaxed);
        } else {
            let bytes = now.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
            most.fetch_max(bytes, Ordering::Relaxed);
        }
    });
    let b = start(&engine.at(&[proxy.address]));
    connect(&a, &b);
    assert_eq!(Stream::behind(&b, "a0").ids("a11"), numbered("a", 1..12));
    assert_eq!(skipped(&b), 1, "{}", b.log());
    let largest = largest.load(Ordering::Relaxed);
    assert!((500_000..2 << 20).contains(&largest), "{largest} bytes in one answer");
}

/// The reader took the last field of an entry, whatever it was.
#[test]
fn an_entry_of_redis_may_have_other_fields() {
    let engine = Engine::redis();
    let [a, b] = [0, 1].map(|_| start(&engine.directive()));
    connect(&a, &b);
    let stream = Stream::of(&b);
    let port = engine.servers[0].port;
    redis(port, &[b"XADD", LOG.as_bytes(), b"*", b"u", &update(7, 1, "first"), b"v", b"1"]);
    redis(port, &[b"XADD", LOG.as_bytes(), b"*", b"v", b"1", b"u", &update(7, 2, "second")]);
    // The count of bytes may be of another program, too.
    redis(port, &[b"SET", b"{igor:mercure/one.test}:bytes", b"rubbish"]);
    publish(&a, "a", 0, 1);
    assert_eq!(stream.ids("a0"), ["first", "second", "a0"]);
}

/// The first field of an entry of another program was subtracted from the count of bytes when it was deleted.
#[test]
fn an_entry_of_another_program_does_not_change_the_count_of_bytes() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let fill = "for n = 1, 10000 do redis.call('XADD', KEYS[1], '*', 'v', ARGV[1], 'u', 'x') end return 1";
    let (foreign, bytes) = (vec![b'v'; 1000], b"{igor:mercure/one.test}:bytes");
    redis(port, &[b"EVAL", fill.as_bytes(), b"1", LOG.as_bytes(), &foreign]);
    redis(port, &[b"SET", bytes, b"10000"]);
    let a = start(&engine.directive());
    post(&a, "one", "topic=all&data=1");
    let counted = || integer(port, "GET {igor:mercure/one.test}:bytes");
    let counted = until("the update", || Some(counted()).filter(|bytes| *bytes != 10_000));
    assert_eq!(integer(port, &format!("XLEN {LOG}")), 10_000, "the oldest was deleted");
    assert!(counted > 10_000, "{counted}");
}

/// A message that is larger than any update stopped the readers for good.
#[test]
fn a_large_message_does_not_stop_readers_of_nats() {
    let nats = nats_with("max_payload: 8MB");
    let engine = format!("engine nats nats://127.0.0.1:{}", nats.port);
    // As an operator may have made it: Igor's own stream refuses such messages.
    let stream = r#"{"name":"UPDATES_igor","subjects":["igor.updates.>"],"storage":"file","retention":"limits"}"#;
    until("JetStream", || {
        call(nats.port, "$JS.API.STREAM.CREATE.UPDATES_igor", stream).filter(|answer| answer["error"].is_null())
    });
    let [a, b] = [0, 1].map(|_| start(&engine));
    connect(&a, &b);
    let stream = Stream::of(&b);
    let stored = call_once(nats.port, "igor.updates.one=2Etest", &"x".repeat(3 << 20));
    assert!(stored["seq"].is_number(), "{stored}");
    publish(&a, "a", 0, 3);
    assert_eq!(stream.ids("a2"), numbered("a", 0..3));
    let c = start(&engine);
    connect(&a, &c);
    assert_eq!(Stream::behind(&c, "a0").ids("a2"), numbered("a", 1..3));
    assert_eq!([&b, &c].map(skipped), [1, 1], "one record on each: {}", c.log());
}

/// The stream that Igor makes takes nothing that is larger than an update.
#[test]
fn the_stream_of_nats_refuses_large_messages() {
    let nats = nats_with("max_payload: 8MB");
    let a = start(&format!("engine nats nats://127.0.0.1:{}", nats.port));
    let info = || call(nats.port, "$JS.API.STREAM.INFO.UPDATES_igor", "").filter(|info| info["error"].is_null());
    until("the stream", info);
    let refused = call_once(nats.port, "igor.updates.one=2Etest", &"x".repeat(3 << 20));
    assert!(refused["error"]["code"].is_number(), "{refused}");
    let data = "x".repeat(1_040_000);
    post(&a, "one", &format!("topic=all&data={data}"));
    until("the update", || info().filter(|info| info["state"]["messages"] == 1));
}

/// Puts a key as another program does.
fn put(port: u16, key: &str, bytes: &[u8]) {
    let body = format!(r#"{{"key":"{}","value":"{}"}}"#, STANDARD.encode(key), STANDARD.encode(bytes));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("etcd");
    let head = format!("POST /v3/kv/put HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains(" 200 "), "{answer}");
}

/// A value that is larger than any update stopped the readers for good, with a record for each attempt.
#[test]
fn a_large_value_does_not_stop_readers_of_etcd() {
    let engine = Engine::etcd_with(1, "http", &["--max-request-bytes", "20000000"]);
    let port = engine.servers[0].port;
    let [a, b] = [0, 1].map(|_| start(&engine.directive()));
    connect(&a, &b);
    let stream = Stream::of(&b);
    put(port, "igor/mercure/one.test/update/zz/1", &vec![b'x'; 5 << 20]);
    publish(&a, "a", 0, 70);
    assert_eq!(stream.ids("a69"), numbered("a", 0..70));
    publish(&a, "a", 70, 72);
    assert_eq!(stream.ids("a71"), numbered("a", 0..72));
    let c = start(&engine.directive());
    connect(&a, &c);
    assert_eq!(Stream::behind(&c, "a3").ids("a71"), numbered("a", 4..72));
    assert_eq!([&b, &c].map(skipped), [1, 1], "one record on each: {}", c.log());
    assert!(!b.log().contains("possible again"), "{}", b.log());
}

/// Keys of another program, which are together, or each, larger than any answer, stopped the readers for good.
#[test]
fn large_keys_do_not_stop_readers_of_etcd() {
    let engine = Engine::etcd_with(1, "http", &["--max-request-bytes", "20000000"]);
    let port = engine.servers[0].port;
    let [a, b] = [0, 1].map(|_| start(&engine.directive()));
    connect(&a, &b);
    let stream = Stream::of(&b);
    let foreign = |number: usize, bytes: usize| {
        put(port, &format!("igor/mercure/one.test/update/z{number}/{}", "x".repeat(bytes)), b"1");
    };
    publish(&a, "a", 0, 1);
    stream.ids("a0");
    // More than a line of a watch, more than an answer together, and more than an answer.
    foreign(0, 3_300_000);
    publish(&a, "a", 1, 70);
    assert_eq!(stream.ids("a69"), numbered("a", 0..70));
    (1..3).for_each(|number| foreign(number, 1_000_000));
    publish(&a, "a", 70, 72);
    assert_eq!(stream.ids("a71"), numbered("a", 0..72));
    foreign(3, 1_700_000);
    let c = start(&engine.directive());
    let early = Stream::behind(&c, "a3");
    until("the whole past", || (early.has("id: a71|") || early.reader.is_finished()).then_some(()));
    assert_eq!(Stream::behind(&c, "a3").ids("a71"), numbered("a", 4..72));
    publish(&a, "a", 72, 73);
    assert_eq!(Stream::behind(&c, "a70").ids("a72"), numbered("a", 71..73));
    assert!(skipped(&b) > 0 && skipped(&c) > 0, "{}", c.log());
    assert!(!b.log().contains("possible again"), "{}", b.log());
}

/// A server for small messages refused all updates, and said only that it takes 0 bytes.
#[test]
fn a_server_of_nats_for_small_messages_is_named() {
    let nats = nats_with("max_payload: 1000");
    let a = start(&format!("engine nats nats://127.0.0.1:{}", nats.port));
    let record = "messages of at most 1000 bytes; its `max_payload` must be at least 4096 for updates of hubs";
    until("a record", || a.log().contains(record).then_some(()));
    post(&a, "one", "topic=all&data=1");
}

/// The first update that was too large was lost, because nothing had asked the server for its limit.
#[test]
fn the_limit_of_nats_is_known_before_the_first_publish() {
    let nats = nats_with("max_payload: 65536");
    let a = start(&format!("engine nats nats://127.0.0.1:{}", nats.port));
    let info = || call(nats.port, "$JS.API.STREAM.INFO.UPDATES_igor", "").filter(|info| info["error"].is_null());
    until("the stream", info);
    let (status, body) = try_post(&a, "one", &format!("topic=all&data={}", "x".repeat(100_000)));
    assert_eq!((status, body.contains("at most 64512")), (413, true), "{body}");
}

/// The stream needs 64 MiB. An account with less was refused without a word about that.
#[test]
fn an_account_of_nats_without_room_is_named() {
    let own = "accounts { SMALL { jetstream { max_mem: 1MB, max_file: 33554432 }, users: [{ user: u, password: p }] } }\n\
               no_auth_user: u";
    let nats = nats_with(own);
    let a = start(&format!("engine nats nats://127.0.0.1:{}", nats.port));
    let record =
        "the stream UPDATES_igor needs 67108864 bytes; give the account so many, or make the stream with fewer";
    until("a record", || a.log().contains(record).then_some(()));
}

/// A server that lost its data counts its messages from 1. Others published before this reader could look, and it continued behind them.
#[test]
fn readers_of_nats_miss_nothing_when_it_has_lost_its_data() {
    let mut nats = Engine::nats();
    let proxy = Proxy::start(nats.addresses()[0]);
    let [a, b] = [&nats.directive(), &nats.at(&[proxy.address])].map(|engine| start(engine));
    connect(&a, &b);
    let stream = Stream::of(&b);
    publish(&a, "a", 0, 5);
    stream.ids("a4");
    nats.kill();
    std::fs::remove_dir_all(nats.servers[0].folder.path().join("jetstream")).expect("the data");
    proxy.set(Weather::Dropping);
    nats.run();
    publish(&a, "a", 5, 105);
    let info = || call(nats.servers[0].port, "$JS.API.STREAM.INFO.UPDATES_igor", "");
    until("the updates", || info().filter(|info| info["state"]["messages"].as_u64() >= Some(100)));
    proxy.set(Weather::Fine);
    assert_eq!(stream.ids("a104"), numbered("a", 0..105));
    let log = b.log();
    let records = log.lines().filter(|line| line.contains("NATS has another stream than before"));
    assert_eq!(records.filter(|line| line.contains("one=2Etest")).count(), 1, "{log}");
}

/// The stream was made again at once, while a server of NATS may still be deleting the files of the old one.
#[test]
fn a_deleted_stream_of_nats_is_not_made_again_at_once() {
    let nats = nats_with("");
    let engine = format!("engine nats nats://127.0.0.1:{}", nats.port);
    let [a, b] = [0, 1].map(|_| start(&engine));
    connect(&a, &b);
    // This one reads, and has never sent anything.
    let c = start(&engine);
    let [own, other] = [&c, &a].map(Stream::of);
    until("a way to it", || {
        post(&a, "one", "topic=probe&data=probe");
        own.has("probe").then_some(())
    });
    let since = Instant::now();
    let deleted = call_once(nats.port, "$JS.API.STREAM.DELETE.UPDATES_igor", "");
    assert_eq!(deleted["success"], true, "{deleted}");
    publish(&c, "c", 0, 3);
    publish(&a, "a", 0, 3);
    let info = || call(nats.port, "$JS.API.STREAM.INFO.UPDATES_igor", "").filter(|info| info["error"].is_null());
    until("another stream", info);
    assert!(since.elapsed() >= Duration::from_secs(2), "{:?}", since.elapsed());
    for stream in [own, other] {
        let ids = [stream.ids("c2"), stream.ids("a2")].concat();
        for id in [numbered("a", 0..3), numbered("c", 0..3)].concat() {
            assert!(ids.contains(&id), "{id} is not among {ids:?}");
        }
    }
    let log = c.log();
    assert!(log.contains("the stream UPDATES_igor is gone, and will be made again"), "{log}");
}

/// The keys of a hub began with those of another one, whose subscribers got its private updates.
#[test]
fn a_slash_in_the_name_of_a_hub_is_no_other_hub() {
    let engine = Engine::etcd_with(1, "http", &[]);
    let site = |site: &str, name: &str| {
        format!(
            "http://{site}.test:0 {{\n bind 127.0.0.1\n mercure {{\n name {name}\n publisher_jwt {KEY}\n subscriber_jwt {KEY}\n \
             anonymous\n }}\n php_server {{\n root .\n }}\n}}\n"
        )
    };
    let global = format!("{{\n admin off\n frankenphp {{\n cluster {{\n {}\n }}\n }}\n}}\n", engine.directive());
    let caddyfile = format!("{global}{}{}", site("one", "shop"), site("two", "shop/update/two"));
    let [a, b] = [0, 1].map(|_| Instance::of(&[("Caddyfile", &caddyfile), ("index.php", PUBLISH)]));
    connect(&a, &b);
    let [one, two] =
        ["one", "two"].map(|site| Stream::open(&b, site, &format!("Authorization: Bearer {}\r\n", token())));
    post(&a, "two", "topic=all&id=of-two&data=1&private=on");
    two.ids("of-two");
    post(&a, "one", "topic=all&id=of-one&data=1");
    assert_eq!(one.ids("of-one"), ["of-one"]);
    assert!(!b.log().contains("is not sent to subscribers"), "{}", b.log());
}

/// An identifier that was used twice was once in the history of an instance that began later.
#[test]
fn the_past_has_an_identifier_as_often_as_it_was_used() {
    let engine = Engine::redis();
    let a = start(&engine.directive());
    for (id, data) in [("e", "0"), ("x", "old"), ("y", "1"), ("x", "new"), ("z", "1")] {
        post(&a, "one", &format!("topic=all&id={id}&data={data}"));
    }
    let port = engine.servers[0].port;
    until("the updates in the log", || (integer(port, &format!("XLEN {LOG}")) == 5).then_some(()));
    let b = start(&engine.directive());
    connect(&a, &b);
    assert_eq!(Stream::behind(&b, "e").ids("z"), ["x", "y", "x", "z"]);
}
