//! What NATS alone has: a group of servers with replicas, snapshots in parts, and four ways to log in.

use crate::engines::{Engine, Server, nats_with};
use crate::instance::{Instance, LARGE, RATES, Reader, get, read};
use crate::promises::certificates;
use crate::{DEADLINE, until};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The answer of JetStream to a call that may be repeated. `None`: none has come, as before JetStream is ready.
pub(crate) fn call(port: u16, subject: &str, body: &str) -> Option<Value> {
    call_within(Duration::from_secs(2), port, subject, body)
}

/// The answer of JetStream to a call.
pub(crate) fn call_once(port: u16, subject: &str, body: &str) -> Value {
    call_within(DEADLINE, port, subject, body).expect("an answer")
}

fn call_within(time: Duration, port: u16, subject: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(time)).ok()?;
    let length = body.len();
    write!(stream, "CONNECT {{\"verbose\":false}}\r\nSUB answer 1\r\nPUB {subject} answer {length}\r\n{body}\r\n")
        .ok()?;
    let mut lines = BufReader::new(stream);
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if line.starts_with("MSG answer ") {
            let length = line.split_whitespace().next_back()?.parse().ok()?;
            let mut bytes = vec![0; length];
            lines.read_exact(&mut bytes).ok()?;
            return serde_json::from_slice(&bytes).ok();
        }
    }
}

/// The bucket with its keys.
fn bucket(port: u16) -> Value {
    let found = || call(port, "$JS.API.STREAM.INFO.KV_igor", r#"{"subjects_filter":">"}"#);
    until("the bucket", || found().filter(|info| info["error"].is_null()))
}

/// Makes the bucket as an operator does for a group: with three replicas.
pub(crate) fn replicated_bucket(port: u16) {
    let stream = r#"{"name":"KV_igor","subjects":["$KV.igor.>"],"max_msgs_per_subject":1,"num_replicas":3,"storage":"file",
                     "retention":"limits","discard":"new","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0}"#;
    until("the bucket", || {
        let made = call(port, "$JS.API.STREAM.CREATE.KV_igor", stream)?;
        made["error"].is_null().then_some(())
    });
}

/// The bucket has three replicas, made by an operator. A snapshot of several messages goes through, also while one of three
/// servers is lost, and its parts replace those of the one before.
#[test]
fn large_snapshots_go_through_a_nats_that_loses_a_server() {
    let mut nats = Engine::nats_group();
    replicated_bucket(nats.servers[0].port);
    let instances = [0, 1].map(|_| Instance::start(&nats.directive(), LARGE, "lease 20s"));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    readers.iter().for_each(|reader| reader.await_newer("a large snapshot"));
    // The first server is the one that the instances ask first.
    nats.servers[0].kill();
    readers.iter().for_each(|reader| reader.await_newer("a large snapshot from the other servers"));
    nats.servers[0].run();
    let digests = instances.each_ref().map(|instance| read(instance.address).expect("a read").2);
    assert_eq!(digests[0], digests[1]);
    readers.iter().for_each(|reader| reader.await_newer("a large snapshot"));
    let bucket = bucket(nats.servers[1].port);
    assert_eq!(bucket["config"]["num_replicas"], 3, "it was taken as it is");
    // Lease, head, and three parts of the newest, of one that is on its way, and of one that is not swept yet.
    let keys = bucket["state"]["subjects"].as_object().expect("keys").len();
    assert!((2 + 3..=2 + 3 * 3).contains(&keys), "{bucket}");
    readers.into_iter().for_each(|reader| assert!(reader.end() > 10, "an instance was hardly read"));
}

/// A server that takes small messages gets small parts.
#[test]
fn parts_are_as_small_as_the_server_wants() {
    let nats = nats_with("max_payload: 4096");
    let script = RATES.replace("'values' => $values]", "'values' => str_repeat('0123456789', 1000)]");
    let instance = Instance::start(&format!("engine nats nats://127.0.0.1:{}", nats.port), &script, "");
    let reader = Reader::start(instance.address);
    reader.await_newer("a snapshot");
    reader.await_newer("a snapshot");
    reader.end();
}

/// An instance that ends releases its lease, so the next one need not wait for it.
#[test]
fn an_instance_that_ends_leaves_no_lease_in_nats() {
    let nats = Engine::nats();
    let mut first = Instance::start(&nats.directive(), RATES, "lease 10m");
    let reader = Reader::start(first.address);
    reader.await_newer("a snapshot");
    reader.end();
    first.signal(rustix::process::Signal::INT);
    until("its end", || first.child.try_wait().expect("it was started"));
    let second = Instance::start(&nats.directive(), RATES, "lease 10m");
    let process = second.child.id();
    until("its term", || read(second.address).ok().filter(|(_, leader, _)| *leader == process));
}

/// A bucket that is deleted under the instances is made again; the epoch counts on.
#[test]
fn a_lost_bucket_of_nats_is_made_again() {
    let nats = Engine::nats();
    let port = nats.servers[0].port;
    let instances = [0, 1].map(|_| Instance::start(&nats.directive(), RATES, ""));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    readers.iter().for_each(|reader| reader.await_newer("a snapshot"));
    let deleted = call_once(port, "$JS.API.STREAM.DELETE.KV_igor", "");
    assert_eq!(deleted["success"], true, "{deleted}");
    readers.iter().for_each(|reader| reader.await_newer("a snapshot from the new bucket"));
    readers.iter().for_each(|reader| reader.await_newer("a snapshot from the new bucket"));
    let lease = call_once(port, "$JS.API.STREAM.MSG.GET.KV_igor", r#"{"last_by_subj":"$KV.igor.global/rates.lease"}"#);
    let lease = lease["message"]["data"].as_str().expect("a value").to_owned();
    let lease = base64::engine::general_purpose::STANDARD.decode(lease).expect("base64");
    assert!(!lease.starts_with(b"1 "), "{}", String::from_utf8_lossy(&lease));
    readers.into_iter().for_each(|reader| assert!(reader.end() > 0));
}

fn serves(engine: &str) {
    let instance = Instance::start(engine, RATES, "");
    let reader = Reader::start(instance.address);
    reader.await_newer("a snapshot");
    reader.end();
    assert!(!instance.log().contains("secret"), "{}", instance.log());
}

/// TLS with a certificate of both sides, a user with the password of a file that is read again, and a token.
#[test]
fn nats_by_tls_password_and_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificates(folder.path());
    let [authority, certificate, key] = files.each_ref().map(|path| path.to_str().expect("it is text"));
    let tls = format!(
        "tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", ca_file: \"{authority}\", verify: true, timeout: 2 }}"
    );
    let allowed =
        r#"["$KV.igor.>", "igor.news.>", "$JS.API.STREAM.*.KV_igor", "$JS.API.STREAM.MSG.GET.KV_igor", "_INBOX.>"]"#;
    let users = format!(
        "authorization {{ users: [{{ user: igor, password: secret, permissions: {{ publish: {allowed}, subscribe: {allowed} }} }}] }}"
    );
    let nats = nats_with(&format!("{tls}\n{users}"));
    let password = folder.path().join("password");
    fs::write(&password, "wrong\n").expect("a file");
    let engine = format!(
        "engine nats tls://igor@127.0.0.1:{} {{\n ca {authority}\n certificate {certificate} {key}\n password_file {}\n }}",
        nats.port,
        password.display()
    );
    let instance = Instance::start(&engine, RATES, "");
    let refusal = "Authorization Violation";
    until("a refusal", || get(instance.address, "/?timeout=1").ok().filter(|page| page.contains(refusal)));
    fs::write(&password, "secret\n").expect("a file");
    let reader = Reader::start(instance.address);
    reader.await_newer("a snapshot");
    reader.end();

    let nats = nats_with("authorization { token: \"secret\" }");
    serves(&format!("engine nats nats://secret@127.0.0.1:{}", nats.port));
    serves(&format!("engine nats nats://127.0.0.1:{} {{\n password_file {}\n }}", nats.port, password.display()));
}

/// A pair of keys as NATS writes them. `kind` is the first letter of its public key.
struct Keys {
    pair: Ed25519KeyPair,
    kind: u8,
    seed: [u8; 32],
}

/// The bits of the first letter, as base 32 has them.
fn letter(kind: u8) -> u8 {
    (kind - b'A') << 3
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for start in (0..bytes.len() * 8).step_by(5) {
        let bit = |number: usize| bytes.get(number / 8).map_or(0, |byte| (byte >> (7 - number % 8)) & 1);
        let digit = (start..start + 5).fold(0, |digit, number| (digit << 1) | bit(number));
        text.push(char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(digit)]));
    }
    text
}

/// With the checksum (CRC-16, XMODEM) that ends both forms.
fn checked(mut bytes: Vec<u8>) -> String {
    let checksum = bytes.iter().fold(0_u16, |sum, byte| {
        (0..8).fold(
            sum ^ (u16::from(*byte) << 8),
            |sum, _| {
                if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 }
            },
        )
    });
    bytes.extend(checksum.to_le_bytes());
    base32(&bytes)
}

impl Keys {
    /// Those of a seed that repeats one byte.
    fn new(kind: u8, byte: u8) -> Self {
        let seed = [byte; 32];
        Self { pair: Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed"), kind, seed }
    }

    fn public(&self) -> String {
        let mut bytes = vec![letter(self.kind)];
        bytes.extend(self.pair.public_key().as_ref());
        checked(bytes)
    }

    fn seed(&self) -> String {
        let kind = letter(self.kind);
        let mut bytes = vec![letter(b'S') | (kind >> 5), (kind & 31) << 3];
        bytes.extend(self.seed);
        checked(bytes)
    }

    /// A token that says something about the owner of `subject`.
    fn token(&self, subject: &Keys, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
        let body = json!({
            "jti": subject.public(), "iat": 1_700_000_000, "iss": self.public(), "name": "test", "sub": subject.public(),
            "nats": claims,
        });
        let text = [header, body].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes())))
    }
}

/// A server that knows its operator alone, with accounts and users by their tokens.
fn nats_with_operator(account: &Keys) -> Server {
    let (operator, system) = (Keys::new(b'O', 1), Keys::new(b'A', 2));
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    let none = json!({ "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1 });
    let of = |limits: Value| json!({ "limits": limits, "type": "account", "version": 2 });
    let own =
        operator.token(&operator, &json!({ "type": "operator", "version": 2, "system_account": system.public() }));
    let preload = [(account, of(limits)), (&system, of(none))]
        .map(|(keys, claims)| format!("{}: {}", keys.public(), operator.token(keys, &claims)));
    nats_with(&format!("operator: {own}\nresolver: MEMORY\nresolver_preload: {{ {} }}", preload.join("\n")))
}

/// The file that users of NATS get: a token, and a key that signs what the server sends.
#[test]
fn nats_by_a_file_of_credentials() {
    let (account, user) = (Keys::new(b'A', 3), Keys::new(b'U', 4));
    let nats = nats_with_operator(&account);
    let claims = json!({ "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2 });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("igor.creds");
    let write = |keys: &Keys| {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n{}\n\
             ------END USER NKEY SEED------\n",
            account.token(&user, &claims),
            keys.seed()
        );
        fs::write(&path, text).expect("a file");
    };
    // The key of another user does not sign for this one.
    write(&Keys::new(b'U', 5));
    let engine = format!("engine nats nats://127.0.0.1:{} {{\n credentials {}\n }}", nats.port, path.display());
    let instance = Instance::start(&engine, RATES, "");
    let refusal = "Authorization Violation";
    until("a refusal", || get(instance.address, "/?timeout=1").ok().filter(|page| page.contains(refusal)));
    write(&user);
    let reader = Reader::start(instance.address);
    reader.await_newer("a snapshot");
    reader.end();
    assert!(!instance.log().contains(&user.seed()), "{}", instance.log());
}
