//! Stores of the cluster by every way to a Redis, and in the moments that only a network between the two can make.

use crate::engines::{Engine, Sentinel, free_port, redis_with};
use crate::instance::Instance;
use crate::promises::certificates;
use crate::proxy::{Proxy, Way};
use crate::stores::{STORE, php, redis, say, start};
use crate::until;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const AWAY: &str = "store \"flags\" cannot reach its Redis: ";

/// Each command that a store has.
const ALL: &str = "$store['k'] = [1]; $ok[] = $store['k'] === [1];
    $store->set('t', 'text', 600.0); $ok[] = $store->add('t', 1) === false && $store->cas('t', 'text', 'more');
    $store->delete('n'); $ok[] = $store->increment('n', 2, 600.0) === 2 && $store->increment('n') === 3;
    $store->merge(['a' => 1, 'b' => 2]); $ok[] = $store->pull('a') === 1 && $store->get('a') === null;
    unset($store['b']); $ok[] = !isset($store['b']);
    return $ok;";

pub(crate) fn works(instance: &Instance) {
    // A slow machine may not connect within the limit of the first call. A read has no effect, so it may be tried again.
    until("the connection", || Some(php(instance, "return $store['k'];")).filter(|said| !said.contains(AWAY)));
    assert_eq!(php(instance, ALL), "[true,true,true,true,true]");
}

/// TLS with a certificate of both sides, and the password of a file.
#[test]
fn a_store_by_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificates(folder.path());
    let [authority, certificate, key] = files.each_ref().map(|path| path.to_str().expect("it is text"));
    let port = free_port().to_string();
    let tls =
        ["--tls-port", &port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority];
    let _redis = redis_with(&[&tls[..], &["--requirepass", "secret"]].concat());
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").expect("a file");
    let file = password.display();
    let engine = format!("engine redis rediss://127.0.0.1:{port} {{\n ca {authority}\n password_file {file}\n ");
    let shown = start(&format!("{engine}certificate {certificate} {key}\n }}"), STORE);
    works(&shown);
    let stranger = start(&format!("{engine}}}"), STORE);
    let said = php(&stranger, "return $store['k'];");
    assert!(said.contains(AWAY), "{said}");
    for instance in [shown, stranger] {
        assert!(!instance.log().contains("secret"), "{}", instance.log());
    }
}

/// The Sentinel and the servers speak TLS alone, and each asks for its own password.
#[test]
fn a_store_by_a_sentinel_with_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificates(folder.path());
    let [authority, certificate, key] = files.each_ref().map(|path| path.to_str().expect("it is text"));
    let sentinel = Sentinel::with_tls([authority, certificate, key]);
    let password = folder.path().join("password");
    std::fs::write(&password, "the watcher\n").expect("a file");
    works(&start(&sentinel.directive_with_tls([authority, certificate, key], &password), STORE));
}

/// The replica becomes the primary: a store throws until then, and has what the replica had got. A Sentinel that is not there is
/// passed over at once.
#[test]
fn a_store_follows_sentinel() {
    let mut sentinel = Sentinel::start();
    let instances = [0, 1].map(|_| start(&sentinel.directive(free_port()), STORE));
    for instance in &instances {
        works(instance);
        assert!(!instance.log().contains("Connection refused"), "{}", instance.log());
    }
    assert_eq!(php(&instances[0], "$store['kept'] = 1; return $store->increment('count');"), "1");
    let got = redis(sentinel.primary.port, b"AUTH secret\r\nWAIT 1 30000\r\n");
    assert!(got.ends_with(":1\r\n+OK\r\n"), "{got}");
    sentinel.primary.kill();
    for (number, instance) in instances.iter().enumerate() {
        let read = || Some(php(instance, "return $store['kept'];")).filter(|said| !said.contains(AWAY));
        assert_eq!(until("the other server", read), "1");
        assert_eq!(php(instance, "return $store->increment('count');"), (number + 2).to_string());
        works(instance);
    }
}

/// Where no message of Redis comes through, an instance reads what it has written itself.
#[test]
fn own_writes_are_read_without_a_message() {
    const MESSAGE: &[u8] = b">2\r\n$10\r\ninvalidate\r\n";
    let engine = Engine::redis();
    let lost = Arc::new(AtomicUsize::new(0));
    let count = lost.clone();
    let network = Proxy::with(engine.addresses()[0], move |way, bytes| {
        while way == Way::ToClient
            && let Some(at) = bytes.windows(MESSAGE.len()).position(|piece| piece == MESSAGE)
        {
            // An array of one key: three lines.
            let ends = bytes[at + MESSAGE.len()..].iter().enumerate().filter(|(_, byte)| **byte == b'\n');
            let end = ends.map(|(end, _)| at + MESSAGE.len() + end + 1).nth(2).expect("the message is whole");
            bytes.drain(at..end);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let instance = start(&engine.at(&[network.address]), STORE);
    let code = "$is = function (mixed $expected) use ($store, &$wrong) {
            foreach (['k', 'other'] as $key) {
                // The second time it is a copy.
                for ($i = 0; $i < 2; $i++) {
                    if ($store->get($key) !== $expected) { $wrong[] = [$key, $expected, $store->get($key)]; }
                }
            }
        };
        foreach (range(1, 3) as $round) {
            foreach (['k', 'other'] as $key) { $store[$key] = $round; }
            $is($round);
            foreach (['k', 'other'] as $key) { $store->increment($key, 10); }
            $is($round + 10);
            foreach (['k', 'other'] as $key) { $store->cas($key, $round + 10, 'swapped'); }
            $is('swapped');
            $store->merge(['k' => 'merged', 'other' => 'merged']);
            $is('merged');
            $store->pull('k');
            unset($store['other']);
            $is(null);
            foreach (['k', 'other'] as $key) { $store->add($key, 'added'); }
            $is('added');
        }
        return $wrong;";
    assert_eq!(php(&instance, code), "null");
    assert!(lost.load(Ordering::Relaxed) > 20, "messages were sent, and lost");
}

/// Another client replaces the element between the read and the write of cas(), by the same integer in its other form: as
/// text, and as any other value.
fn with_another_client(times: usize) -> (Engine, Instance, Arc<AtomicUsize>) {
    let engine = Engine::redis();
    let port = engine.servers[0].port;
    let left = Arc::new(AtomicUsize::new(0));
    let now = left.clone();
    let network = Proxy::with(engine.addresses()[0], move |way, bytes| {
        if way == Way::ToServer && bytes.windows(4).any(|piece| piece == b"EVAL") && now.load(Ordering::Relaxed) > 0 {
            let form: &[u8] =
                if now.fetch_sub(1, Ordering::Relaxed).is_multiple_of(2) { b"IGOR\x01\x03\x0e" } else { b"7" };
            say(port, &[b"SET", b"shop:global/flags:k", form]);
        }
    });
    let instance = start(&engine.at(&[network.address]), STORE);
    assert_eq!(php(&instance, "$store['k'] = 7; return $store['k'];"), "7");
    left.store(times, Ordering::Relaxed);
    (engine, instance, left)
}

#[test]
fn cas_begins_again_and_then_gives_up() {
    let cas = "return $store->cas('k', 7, 'done');";
    let (_engine, instance, left) = with_another_client(4);
    assert_eq!(php(&instance, cas), "true", "the fifth try was in time");
    assert_eq!((left.load(Ordering::Relaxed), php(&instance, "return $store['k'];")), (0, "\"done\"".to_owned()));
    drop(instance);

    let (_engine, instance, left) = with_another_client(100);
    let said = php(&instance, cas);
    assert_eq!(
        said,
        "RuntimeException: element \"k\" of store \"flags\" has changed during each of 8 tries of cas()",
        "{}",
        left.load(Ordering::Relaxed)
    );
    assert_eq!(left.load(Ordering::Relaxed), 100 - 8);
    // It is still no answer for a value that is another one.
    assert_eq!(php(&instance, "return $store->cas('k', 8, 'done');"), "false");
}
