//! Instances of two releases, of which the newer one knows another format: as in an update of all instances, one after the
//! other. The newer one is played by the test, which writes what it would write.

use crate::engines::{Engine, integer};
use crate::instance::{Instance, Reader, get};
use crate::stores::say;
use crate::until;

/// Publishes the time of the machine once per term.
const ONCE: &str = "<?php\nfrankenphp_set_vars(['at' => hrtime(true), 'process' => getmypid(), 'values' => [1]]);\n\
                    fgets(frankenphp_get_worker_handle());\n";

/// What a leader of another release stores: its epoch, the number of its publish, and the bytes.
fn publish(port: u16, epoch: u64, number: u64, bytes: &[u8]) {
    let [epoch, number] = [epoch, number].map(|number| number.to_string());
    let key = b"{igor:global/rates}:snapshot";
    say(port, &[b"HSET", key, b"epoch", epoch.as_bytes(), b"number", number.as_bytes(), b"bytes", bytes]);
    say(port, &[b"PUBLISH", b"{igor:global/rates}:news", b""]);
}

#[test]
fn instances_of_two_releases() {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let instances = [0, 1].map(|_| Instance::start(&engine.directive(), ONCE, ""));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    for reader in &readers {
        until("a snapshot", || (reader.newest() > 0).then_some(()));
    }

    // The newer release leads, and still writes the old format: all read it.
    say(port, &[b"SET", b"{igor:global/rates}:lease", b"newer:1 0", b"PX", b"600000"]);
    say(port, &[b"SET", b"{igor:global/rates}:epoch", b"2"]);
    // An array of three keys, by the table in docs/cluster.md: `at`, `process` and `values`, a list of one.
    let at = readers.iter().map(Reader::newest).max().expect("two") + 1;
    let mut bytes = b"IGOR\x01\x08\x03\x00\x05\x02at\x03".to_vec();
    let mut zigzag = at << 1;
    while zigzag >= 0x80 {
        bytes.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    bytes.push(zigzag as u8);
    bytes.extend(b"\x05\x07process\x03\x02\x05\x06values\x07\x01\x03\x02");
    publish(port, 2, 1, &bytes);
    for reader in &readers {
        until("the snapshot of the newer release", || (reader.newest() == at).then_some(()));
    }

    // Its new format is turned on too early: the old release serves what it has, and says why.
    publish(port, 2, 2, b"IGOR\x02\xff");
    let why = "has format 2, and this release of Igor knows format 1 only; update it";
    for instance in &instances {
        until("the reason", || instance.log().contains(why).then_some(()));
        assert!(get(instance.address, "/").expect("a page").starts_with(&format!("{at} 1 ")), "it serves what it has");
    }

    // The update is taken back: one of the old release leads, and replaces what it cannot read.
    say(port, &[b"DEL", b"{igor:global/rates}:lease"]);
    for reader in &readers {
        until("a snapshot of the old release", || (reader.newest() > at).then_some(()));
    }
    assert_eq!(integer(port, "GET {igor:global/rates}:epoch"), 3);
    let logs = instances.each_ref().map(Instance::log).concat();
    assert!(logs.contains("leading the cluster worker without its last snapshot"), "{logs}");
    readers.into_iter().for_each(|reader| assert!(reader.end() > 10, "an instance was hardly read"));
}
