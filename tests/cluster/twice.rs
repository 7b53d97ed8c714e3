//! What comes twice, and what comes too late.
//!
//! A network may duplicate packets, but TCP removes the copies, so no part of a connection's bytes comes twice. Above TCP three
//! things happen, and the proxy makes them:
//!
//! - a publish is done, and its answer is lost: the instance publishes again;
//! - a proxy or a gateway repeats a request by another connection: the engine gets the same publish again;
//! - a request waits somewhere for longer than its sender leads: the engine gets it in the next epoch.

use crate::engines::Engine;
use crate::instance::{Instance, RATES, Reader, read};
use crate::proxy::{Proxy, Weather};
use crate::until;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Leads, and publishes nothing.
const QUIET: &str = "<?php\nfgets(frankenphp_get_worker_handle());\n";

/// A server that cannot decide, as one without a leader, does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// What an engine says to a publish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Accepted,
    Refused,
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|piece| piece == text.as_bytes())
}

/// Whether bytes on their way to a server of this kind make a snapshot of `rates` the newest one.
pub(crate) fn is_publish(kind: &str) -> fn(&[u8]) -> bool {
    match kind {
        "redis" => |bytes| has(bytes, "redis.call('PUBLISH'"),
        "etcd" => |bytes| {
            let key = STANDARD.encode("igor/global/rates/snapshot");
            has(bytes, &format!("\"requestPut\":{{\"key\":\"{key}\""))
        },
        _ => |bytes| has(bytes, "HPUB $KV.igor.global/rates.head "),
    }
}

/// Sends a publish again, by a connection of its own. `None`: the server has not decided.
pub(crate) fn send_again(kind: &str, to: SocketAddr, publish: &[u8]) -> Option<Verdict> {
    let mut stream = TcpStream::connect(to).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    if kind == "nats" {
        // An answer to another client would be none to this publish.
        let text = String::from_utf8_lossy(publish);
        let inbox = text.split_once("HPUB ")?.1.split(' ').nth(1)?;
        write!(stream, "CONNECT {{\"verbose\":false,\"headers\":true}}\r\nSUB {inbox} 1\r\n").ok()?;
    }
    stream.write_all(publish).ok()?;
    let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut bytes).ok().filter(|count| *count > 0)?;
        answer.extend_from_slice(&bytes[..count]);
        if let Some(verdict) = verdict(kind, &String::from_utf8_lossy(&answer)) {
            return Some(verdict);
        }
    }
}

/// `None`: the answer is not whole, or it is a failure.
fn verdict(kind: &str, answer: &str) -> Option<Verdict> {
    let (is_accepted, is_refused) = match kind {
        "redis" => (answer == ":1\r\n", answer == ":0\r\n"),
        "etcd" => {
            let (_, body) = answer.split_once("\r\n\r\n")?;
            let is_accepted = body.contains("\"succeeded\":true");
            (is_accepted, !is_accepted && body.starts_with("{\"header\":") && body.ends_with('}'))
        }
        // An answer has both: the number 0 beside the error.
        _ => (answer.contains("\"seq\":") && !answer.contains("\"error\":"), answer.contains("wrong last sequence")),
    };
    if is_accepted {
        return Some(Verdict::Accepted);
    }
    is_refused.then_some(Verdict::Refused)
}

fn what_comes_twice_counts_once(engine: &Engine) {
    let (kind, server) = (engine.kind, engine.addresses()[0]);
    let network = Proxy::knowing(server, is_publish(kind));
    let mut first = Instance::start(&engine.at(&[network.address]), RATES, "lease 20s");
    let reader = Reader::start(first.address);
    reader.await_newer("a snapshot");
    let second = Instance::start(&engine.directive(), QUIET, "lease 20s");
    let other = Reader::start(second.address);
    other.await_newer("a snapshot of the first instance");

    // A repeated request. The instance still leads, so its position alone is too old.
    let publish = until("a publish", || network.take_publish());
    other.await_newer("that publish, or a newer one");
    other.await_newer("a newer one");
    let again = |publish: &[u8]| until("a verdict", || send_again(kind, server, publish));
    assert_eq!(again(&publish), Verdict::Refused, "a publish that was accepted before");

    // The instance sends again what may have been done, and what was done counts.
    network.set(Weather::Unanswered);
    until("a lost answer", || first.log().contains("the cluster's engine is not usable").then_some(()));
    for _ in 0..3 {
        other.await_newer("a publish without an answer");
    }
    network.set(Weather::Fine);
    until("an answer", || first.log().contains("the cluster's engine is usable again").then_some(()));
    reader.await_newer("a publish with an answer");
    assert!(!first.log().contains("leads the cluster worker no more"), "a lost answer ends no term: {}", first.log());

    // The last publish comes when another instance leads. It has published nothing, so only its epoch is newer.
    network.set(Weather::Withheld);
    network.take_publish();
    let late = until("a publish that does not come through", || network.take_publish());
    reader.end();
    first.signal(Signal::INT);
    until("its end", || first.child.try_wait().expect("it was started"));
    until("another leader", || second.log().contains("this instance leads the cluster worker").then_some(()));
    let newest = read(second.address).expect("a read");
    assert_eq!(again(&late), Verdict::Refused, "a publish of an old leader");
    let third = Instance::start(&engine.directive(), QUIET, "lease 20s");
    assert_eq!(read(third.address).expect("a read"), newest, "what an instance reads that has just started");
    other.end();
}

#[test]
fn what_comes_twice_counts_once_by_redis() {
    what_comes_twice_counts_once(&Engine::redis());
}

#[test]
fn what_comes_twice_counts_once_by_etcd() {
    what_comes_twice_counts_once(&Engine::etcd_with(1, "http", &[]));
}

#[test]
fn what_comes_twice_counts_once_by_nats() {
    what_comes_twice_counts_once(&Engine::nats());
}
