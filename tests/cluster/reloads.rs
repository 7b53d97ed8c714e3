//! What a reload does to scripts of a cluster.

use crate::engines::{Engine, integer};
use crate::instance::{Instance, RATES, Reader, read};
use crate::until;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Writes into `events-NAME` beside its Caddyfile what it does, and takes its time to end until there is a file `go`.
const SLOW: &str = r#"<?php
$name = $_SERVER['FRANKENPHP_WORKER_NAME'];
$note = fn (string $event) => file_put_contents(__DIR__ . "/events-$name", "$event\n", FILE_APPEND);
$note('begin');
frankenphp_set_vars(['at' => hrtime(true), 'process' => getmypid()]);
fgets(frankenphp_get_worker_handle());
$note('ending');
while (!file_exists(__DIR__ . '/go')) {
    usleep(10_000);
}
$note('end');
"#;

fn events(instance: &Instance) -> String {
    fs::read_to_string(instance.folder.path().join("events-rates")).unwrap_or_default()
}

/// A reload that removes a worker, or takes it out of the cluster, lets its script end before another instance starts its own.
#[test]
fn a_removed_worker_keeps_its_lease_until_its_script_has_ended() {
    let redis = Engine::redis();
    for (that, this) in [("name rates", "name other"), ("cluster\n \n", "\n")] {
        let options = format!("prefix p{}", this.len());
        let start = || {
            let instance = Instance::start(&redis.directive(), SLOW, &options);
            until("a publish", || read(instance.address).is_ok().then_some(instance.address));
            instance
        };
        let (first, second) = (start(), start());
        assert_eq!(events(&second), "", "one instance leads");
        first.reload(that, this);
        until("the end of the handle", || events(&first).contains("ending").then_some(()));
        // The other one looks every 667 ms.
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            assert_eq!(events(&second), "", "it has started before the first one ended: {}", events(&first));
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::write(first.folder.path().join("go"), "").expect("a file");
        until("the second leader", || events(&second).contains("begin").then_some(()));
        assert!(events(&first).starts_with("begin\nending\nend\n"), "{}", events(&first));
        fs::write(second.folder.path().join("go"), "").expect("a file");
    }
}

/// A longer lease is another lease of etcd, to which the leader's key moves while the script continues.
#[test]
fn a_longer_lease_in_etcd_keeps_the_term() {
    let etcd = Engine::etcd_with(1, "http", &[]);
    let endpoint = format!("http://127.0.0.1:{}", etcd.servers[0].port);
    let control = |words: &[&str]| {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoint]).args(words);
        String::from_utf8_lossy(&command.output().expect("etcdctl is installed").stdout).into_owned()
    };
    let instance = Instance::start(&etcd.directive(), RATES, "");
    let reader = Reader::start(instance.address);
    reader.await_newer("a publish");
    instance.reload("lease 2s", "lease 50s");
    until("the longer lease alone", || {
        let leases = control(&["lease", "list"]);
        let [_, lease] = leases.lines().collect::<Vec<_>>()[..] else { return None };
        let life = control(&["lease", "timetolive", "--keys", lease]);
        (life.contains("granted with TTL(50s)") && life.contains("igor/global/rates/lease")).then_some(())
    });
    reader.await_newer("a publish");
    assert_eq!(control(&["get", "--print-value-only", "igor/global/rates/epoch"]).trim(), "1");
    assert_eq!(instance.log().matches("background worker started").count(), 1, "{}", instance.log());
    reader.end();
}

/// The lease, the largest snapshot and the address of the engine change under a script that continues. With another prefix
/// it starts again, once.
#[test]
fn a_reload_of_the_cluster_block_keeps_the_term() {
    let redis = Engine::redis();
    let port = redis.servers[0].port;
    let instance = Instance::start(&redis.directive(), RATES, "max_bytes 1MiB");
    let reader = Reader::start(instance.address);
    reader.await_newer("a publish");
    instance.reload("lease 2s", "lease 50s");
    instance.reload("max_bytes 1MiB", "max_bytes 2MiB");
    instance.reload("redis://127.0.0.1", "redis://localhost");
    reader.await_newer("a publish");
    until("the longer lease", || (integer(port, "PTTL {igor:global/rates}:lease") > 40_000).then_some(()));
    let starts = || instance.log().matches("background worker started").count();
    assert_eq!(starts(), 1, "{}", instance.log());
    assert_eq!(integer(port, "GET {igor:global/rates}:epoch"), 1);

    instance.reload("max_bytes 2MiB", "prefix another");
    until("a term there", || (integer(port, "GET {another:global/rates}:epoch") == 1).then_some(()));
    assert_eq!(integer(port, "EXISTS {igor:global/rates}:lease"), 0, "the old lease was given back");
    reader.await_newer("a publish");
    assert_eq!(starts(), 2, "{}", instance.log());
    reader.end();
}
