//! What docs/cluster.md promises, for each engine.

use crate::engines::{Engine, Sentinel, free_port, redis_with};
use crate::instance::{Instance, LARGE, RATES, Reader, await_another, get, leader, read};
use crate::proxy::{Proxy, Weather};
use crate::takeover::Takeover;
use crate::{DEADLINE, until};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A leader is stopped for longer than its lease, cut off from the engine, and killed; the engine is killed and started again.
fn loses_its_leaders_and_its_engine(mut engine: Engine) {
    let servers = engine.addresses();
    // A network for each instance.
    let networks: Vec<Vec<Proxy>> =
        (0..3).map(|_| servers.iter().map(|server| Proxy::start(*server)).collect()).collect();
    let weather = |network: &[Proxy], weather| network.iter().for_each(|proxy| proxy.set(weather));
    let of = |network: &Vec<Proxy>| network.iter().map(|proxy| proxy.address).collect::<Vec<_>>();
    let mut instances: Vec<Instance> =
        networks.iter().map(|network| Instance::start(&engine.at(&of(network)), RATES, "")).collect();
    let mut readers: Vec<Option<Reader>> =
        instances.iter().map(|instance| Some(Reader::start(instance.address))).collect();
    fn all_go_on(readers: &[Option<Reader>]) {
        readers.iter().flatten().for_each(|reader| reader.await_newer("a newer snapshot"));
    }
    all_go_on(&readers);

    // Stopped: its reader waits with it. It must publish nothing when it wakes up.
    let first = leader(&instances, 0);
    let takeover = Takeover::begin(&instances, &engine);
    instances[first].signal(rustix::process::Signal::STOP);
    takeover.ends("stopped", first, &instances, &engine);
    let second = await_another(&instances, first);
    instances[first].signal(rustix::process::Signal::CONT);
    until("the end of its term", || instances[first].log().contains("leads the cluster worker no more").then_some(()));
    all_go_on(&readers);

    // Cut off: it serves what it has, its script ends, and it follows when the way is back.
    let takeover = Takeover::begin(&instances, &engine);
    weather(&networks[second], Weather::Cut);
    takeover.ends("cut off", second, &instances, &engine);
    let third = await_another(&instances, second);
    until("the end of its term", || instances[second].log().contains("leads the cluster worker no more").then_some(()));
    let held = readers[second].as_ref().expect("it reads").newest();
    weather(&networks[second], Weather::Fine);
    until("news", || (readers[second].as_ref().expect("it reads").newest() > held).then_some(()));
    all_go_on(&readers);

    // Without the engine all serve the last snapshot; with it they continue, and nothing that was accepted is lost.
    engine.kill();
    until("notice", || instances[third].log().contains("the cluster's engine is not usable").then_some(()));
    for reader in readers.iter().flatten() {
        let before = reader.newest();
        assert!(before > 0 && reader.newest() >= before);
    }
    engine.run();
    all_go_on(&readers);

    // Killed: its reader ends with it.
    let fourth = leader(&instances, 0);
    let reader = readers[fourth].take().expect("it reads");
    reader.end();
    let takeover = Takeover::begin(&instances, &engine);
    instances[fourth].child.kill().expect("it runs");
    takeover.ends("killed", fourth, &instances, &engine);
    await_another(&instances, fourth);
    all_go_on(&readers);

    for reader in readers.into_iter().flatten() {
        assert!(reader.end() > 10, "an instance was hardly read");
    }
    for (number, instance) in instances.iter_mut().enumerate().filter(|(number, _)| *number != fourth) {
        instance.signal(rustix::process::Signal::INT);
        let status = until("its end", || instance.child.try_wait().expect("it was started"));
        assert!(status.success(), "instance {number}: {status}\n{}", instance.log());
        assert!(!instance.log().contains("panicked"), "{}", instance.log());
    }
}

#[test]
fn a_cluster_on_redis_loses_its_leaders_and_its_engine() {
    loses_its_leaders_and_its_engine(Engine::redis());
}

#[test]
fn a_cluster_on_etcd_loses_its_leaders_and_its_engine() {
    loses_its_leaders_and_its_engine(Engine::etcd());
}

#[test]
fn a_cluster_on_nats_loses_its_leaders_and_its_engine() {
    loses_its_leaders_and_its_engine(Engine::nats());
}

/// A script learns that the engine does not answer, and that its array is too large.
fn what_the_page_says_without_a_snapshot(engine: &Engine, kind: &str, scheme: &str) {
    let unused = format!("127.0.0.1:{}", free_port());
    let alone = Instance::start(&format!("engine {kind} {scheme}://user:secret@{unused}"), RATES, "");
    let page = get(alone.address, "/?timeout=3").expect("a page");
    assert!(
        page.starts_with("RuntimeException: background worker \"rates\" (")
            && page.contains("was not ready after 3")
            && page.contains("no snapshot has arrived from the cluster: the cluster's engine is not usable: "),
        "{page}"
    );
    assert!(!page.contains("secret") && !alone.log().contains("secret"), "{page}\n{}", alone.log());

    let script = "<?php\n$handle = frankenphp_get_worker_handle();\ntry {\n frankenphp_set_vars(['long' => str_repeat('x', 2000)]);\n} \
                  catch (ValueError $error) {\n frankenphp_set_vars(['at' => 1, 'process' => $error->getMessage()]);\n}\nfgets($handle);\n";
    let small = Instance::start(&engine.directive(), script, "max_bytes 1KiB");
    let page = get(small.address, "/").expect("a page");
    assert!(
        page.contains("frankenphp_set_vars(): the array needs 2") && page.contains("the cluster takes at most 1024"),
        "{page}"
    );
}

#[test]
fn what_the_page_says_without_a_snapshot_from_redis() {
    what_the_page_says_without_a_snapshot(&Engine::redis(), "redis", "redis");
}

#[test]
fn what_the_page_says_without_a_snapshot_from_etcd() {
    what_the_page_says_without_a_snapshot(&Engine::etcd_with(1, "http", &[]), "etcd", "http");
}

#[test]
fn what_the_page_says_without_a_snapshot_from_nats() {
    what_the_page_says_without_a_snapshot(&Engine::nats(), "nats", "nats");
}

/// A version that one instance publishes goes to the browsers of all, under one identifier.
#[test]
fn every_instance_sends_what_the_cluster_publishes() {
    let redis = Engine::redis();
    let engine = redis.directive();
    let start = || Instance::with(&engine, RATES, "", "mercure rates", "mercure {\n anonymous\n }");
    let instances = [start(), start()];
    let streams = instances.each_ref().map(|instance| {
        let mut stream = TcpStream::connect(instance.address).expect("an instance");
        stream.set_read_timeout(Some(DEADLINE)).expect("it can be set");
        write!(stream, "GET /.well-known/mercure?topic=rates HTTP/1.1\r\nHost: any\r\n\r\n").expect("a request");
        BufReader::new(stream)
    });
    let [first, second] = streams.map(|stream| {
        let ids = Arc::new(Mutex::new(Vec::new()));
        let found = ids.clone();
        std::thread::spawn(move || {
            for line in stream.lines().map_while(Result::ok) {
                if let Some((_, id)) = line.split_once("id: ").or_else(|| line.split_once("id:")) {
                    found.lock().expect("no panic").push(id.to_owned());
                }
            }
        });
        ids
    });
    let shared = until("a version on both", || {
        let (first, second) = (first.lock().expect("no panic"), second.lock().expect("no panic"));
        first.iter().find(|id| second.contains(id)).cloned()
    });
    assert!(shared.starts_with("rates:1."), "{shared}");
    // The hubs send each other what is published to them, but not that.
    for ids in [first, second] {
        let ids = until("more versions", || Some(ids.lock().expect("no panic").clone()).filter(|ids| ids.len() > 20));
        let numbers: Vec<u64> = ids.iter().map(|id| id["rates:1.".len()..].parse().expect("a number")).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "each once, and in order: {ids:?}");
    }
}

/// A snapshot that one request to etcd does not take goes through in parts, while one of three members is lost.
#[test]
fn large_snapshots_go_through_an_etcd_that_loses_a_member() {
    let mut etcd = Engine::etcd();
    let instances = [0, 1].map(|_| Instance::start(&etcd.directive(), LARGE, "lease 20s"));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    readers.iter().for_each(|reader| reader.await_newer("a large snapshot"));
    // The first member is the one that the instances ask first.
    etcd.servers[0].kill();
    readers.iter().for_each(|reader| reader.await_newer("a large snapshot from the other members"));
    etcd.servers[0].run();
    etcd.servers[1].kill();
    readers.iter().for_each(|reader| reader.await_newer("a large snapshot from the other members"));
    // Both have read the same values all the time: see Reader.
    let digests = instances.each_ref().map(|instance| read(instance.address).expect("a read").2);
    assert_eq!(digests[0], digests[1]);
    readers.into_iter().for_each(|reader| assert!(reader.end() > 10, "an instance was hardly read"));
}

/// A user with a password of a file, who may only write below the prefix, and TLS with a certificate of both sides.
#[test]
fn etcd_by_tls_and_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificates(folder.path());
    let [authority, certificate, key] = files.each_ref().map(|path| path.to_str().expect("it is text"));
    let access = ["--cert-file", certificate, "--key-file", key, "--trusted-ca-file", authority, "--client-cert-auth"];
    let etcd = Engine::etcd_with(1, "https", &access);
    let port = etcd.servers[0].port;
    let control = |words: &[&str]| {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args([
            "--endpoints",
            &format!("https://127.0.0.1:{port}"),
            "--cacert",
            authority,
        ]);
        let output =
            command.args(["--cert", certificate, "--key", key]).args(words).output().expect("etcdctl is installed");
        output.status.success().then_some(())
    };
    until("etcd", || control(&["endpoint", "health"]));
    for words in [
        &["user", "add", "root:toor"][..],
        &["user", "grant-role", "root", "root"],
        &["user", "add", "igor:secret"],
        &["role", "add", "igor"],
        &["role", "grant-permission", "igor", "--prefix=true", "readwrite", "igor/"],
        &["user", "grant-role", "igor", "igor"],
        &["auth", "enable"],
    ] {
        control(words).unwrap_or_else(|| panic!("etcdctl {}", words.join(" ")));
    }
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong\n").expect("a file");
    let engine = format!(
        "engine etcd https://igor@127.0.0.1:{port} {{\n ca {authority}\n certificate {certificate} {key}\n password_file {}\n }}",
        password.display()
    );
    let instance = Instance::start(&engine, RATES, "");
    let refusal = "authentication failed, invalid user ID or password";
    until("a refusal", || get(instance.address, "/?timeout=1").ok().filter(|page| page.contains(refusal)));
    // The file is read again.
    std::fs::write(&password, "secret\n").expect("a file");
    let reader = Reader::start(instance.address);
    reader.await_newer("a snapshot");
    reader.end();
    assert!(!instance.log().contains("secret"), "{}", instance.log());
}

/// A Redis by TLS, with the password of a file.
#[test]
fn redis_by_tls_and_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificates(folder.path());
    let [authority, certificate, key] = files.each_ref().map(|path| path.to_str().expect("it is text"));
    let port = free_port().to_string();
    let tls =
        ["--tls-port", &port, "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority];
    let _redis = redis_with(&[&tls[..], &["--requirepass", "secret"]].concat());
    let password = folder.path().join("password");
    std::fs::write(&password, "secret\n").expect("a file");
    let engine = format!(
        "engine redis rediss://127.0.0.1:{port} {{\n ca {authority}\n certificate {certificate} {key}\n password_file {}\n }}",
        password.display()
    );
    let instances = [0, 1].map(|_| Instance::start(&engine, RATES, ""));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    readers.iter().for_each(|reader| reader.await_newer("a snapshot"));
    readers.into_iter().for_each(|reader| assert!(reader.end() > 0));
    // Without its certificate a client is refused, so it was shown.
    let engine = format!(
        "engine redis rediss://127.0.0.1:{port} {{\n ca {authority}\n password_file {}\n }}",
        password.display()
    );
    let stranger = Instance::start(&engine, RATES, "");
    until("a refusal", || stranger.log().contains("the cluster's engine is not usable").then_some(()));
    assert!(!stranger.log().contains("secret"), "{}", stranger.log());
}

/// An authority, and a certificate of it for 127.0.0.1, for both sides. It has no CommonName: etcd's gateway refuses clients
/// that have one.
pub(crate) fn certificates(folder: &Path) -> [PathBuf; 3] {
    let [authority, certificate, key] = ["ca.pem", "certificate.pem", "key.pem"].map(|name| folder.join(name));
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 && \
                  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out request.pem -subj /O=igor && \
                  printf 'subjectAltName=IP:127.0.0.1\\nextendedKeyUsage=serverAuth,clientAuth' > extensions && \
                  openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out certificate.pem";
    let output = Command::new("sh").args(["-c", script]).current_dir(folder).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [authority, certificate, key]
}

/// Sentinel makes the replica the primary, and the instances follow. A Sentinel that does not answer is passed over.
#[test]
fn a_cluster_follows_sentinel() {
    let mut redis = Sentinel::start();
    let unused = free_port();
    let instances = [0, 1].map(|_| Instance::start(&redis.directive(unused), RATES, ""));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    readers.iter().for_each(|reader| reader.await_newer("a snapshot"));
    redis.primary.kill();
    let notice = "the cluster's engine is not usable";
    until("notice", || instances.iter().all(|instance| instance.log().contains(notice)).then_some(()));
    readers.iter().for_each(|reader| reader.await_newer("a snapshot from the other server"));
    for (reader, instance) in readers.into_iter().zip(&instances) {
        reader.end();
        assert!(!instance.log().contains("secret"), "{}", instance.log());
    }
}

/// The Sentinel and the servers speak TLS alone, and both ask for a password; that of the Sentinel is its own.
#[test]
fn a_cluster_by_a_sentinel_with_tls_and_a_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = certificates(folder.path());
    let [authority, certificate, key] = files.each_ref().map(|path| path.to_str().expect("it is text"));
    let redis = Sentinel::with_tls([authority, certificate, key]);
    let password = folder.path().join("password");
    std::fs::write(&password, "wrong\n").expect("a file");
    let engine = redis.directive_with_tls([authority, certificate, key], &password);
    let instance = Instance::start(&engine, RATES, "");
    let refusal = "the cluster's engine is not usable";
    until("a refusal", || get(instance.address, "/?timeout=1").ok().filter(|page| page.contains(refusal)));
    // The file is read again.
    std::fs::write(&password, "the watcher\n").expect("a file");
    let reader = Reader::start(instance.address);
    reader.await_newer("a snapshot");
    reader.end();
    assert!(!instance.log().contains("secret") && !instance.log().contains("the watcher"), "{}", instance.log());
}
