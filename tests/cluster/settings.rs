//! What the configuration takes and refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The configuration refuses what is not there, and says what to do.
#[test]
fn engines_that_are_not_built_in() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("rates.php"), "<?php").expect("a file");
    let adapt = |cluster: &str, worker: &str| {
        let text = format!(
            "{{\n frankenphp {{\n {cluster}\n worker rates.php {{\n {worker}\n }}\n }}\n}}\n:80 {{\n php_server\n}}\n"
        );
        fs::write(folder.path().join("Caddyfile"), text).expect("a file");
        validate(folder.path())
    };
    let good = "cluster {\n engine redis redis://u:p@127.0.0.1:6379/2\n }";
    let others = [
        "cluster {\n engine valkey valkeys://u:p@h:6379 {\n ca rates.php\n certificate rates.php rates.php\n }\n }",
        "cluster {\n engine redis redis+sentinel://u:p@h:26379,[::1]:1,other/shop/2\n }",
        "cluster {\n engine redis rediss+sentinel://h/shop {\n sentinel_password_file rates.php igor\n ca rates.php\n }\n }",
        "cluster {\n engine etcd https://u:p@h:2379 https://[::1]:2379 {\n password_file rates.php\n }\n }",
        "cluster {\n engine nats nats://h tls://[::1] tls://token@h:1 {\n credentials rates.php\n }\n }",
    ];
    for accepted in others.iter().chain(&[good]) {
        let (text, status) = adapt(accepted, "background\n name rates\n cluster");
        assert_eq!(status, Some(0), "{accepted}: {text}");
    }
    let cases = [
        ("cluster {\n engine etcd\n }", "background\n name a", "an etcd has 1 to 9 members"),
        (
            "cluster {\n engine etcd ftp://secret@h:1\n }",
            "background\n name a",
            "this is no address of a member of etcd",
        ),
        (
            "cluster {\n engine etcd http://u:secret@h\n }",
            "background\n name a",
            "this is no address of a member of etcd",
        ),
        (
            "cluster {\n engine etcd http://u:secret@h:1 http://v:secret@h:2\n }",
            "background\n name a",
            "the addresses of etcd name two users",
        ),
        (
            "cluster {\n engine etcd http://h:1\n max_bytes 17MiB\n }",
            "background\n name a",
            "`max_bytes` is not from 1 to 16MiB",
        ),
        (
            "cluster {\n engine etcd http://h:1 {\n password_file nowhere\n }\n }",
            "background\n name a",
            "nowhere does not exist",
        ),
        ("cluster {\n engine nats\n }", "background\n name a", "a NATS has 1 to 9 servers"),
        (
            "cluster {\n engine nats nats://secret@h:x\n }",
            "background\n name a",
            "this is no address of a server of NATS",
        ),
        (
            "cluster {\n engine nats http://secret@h\n }",
            "background\n name a",
            "this is no address of a server of NATS",
        ),
        (
            "cluster {\n engine nats nats://u:secret@h nats://secret@h\n }",
            "background\n name a",
            "the addresses of NATS name two users",
        ),
        (
            "cluster {\n engine redis redis://h {\n credentials rates.php\n }\n }",
            "background\n name a",
            "`credentials` is for the engine `nats` alone",
        ),
        (
            "cluster {\n engine redis redis://h {\n sentinel_password_file rates.php\n }\n }",
            "background\n name a",
            "`sentinel_password_file` is for Sentinels alone",
        ),
        ("cluster {\n engine consul http://secret@h\n }", "background\n name a", "`consul` is no engine of a cluster"),
        ("cluster {\n engine redis secret@h\n }", "background\n name a", "this is no address of a Redis server"),
        (
            "cluster {\n engine redis redis+sentinel://secret@h\n }",
            "background\n name a",
            "this is no address of Sentinels",
        ),
        ("cluster {\n }", "background\n name a", "the `cluster` block has no engine"),
        ("", "background\n name a\n cluster", "`cluster` on a worker, but no engine is declared"),
        (good, "background\n cluster", "`cluster` on a catch-all"),
        (good, "cluster", "`cluster` on an HTTP worker"),
        ("cluster {\n engine redis redis://h\n lease 10ms\n }", "background\n name a", "is not between 1s and 1h"),
    ];
    for (cluster, worker, expected) in cases {
        let (text, status) = adapt(cluster, worker);
        assert!(text.contains(expected) && status == Some(1), "{expected}\n{status:?} {text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

/// Stores of the cluster need Redis, and lack what they do not have.
#[test]
fn stores_of_the_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let adapt = |frankenphp: &str, php_server: &str| {
        let text =
            format!("{{\n frankenphp {{\n {frankenphp}\n }}\n}}\n:80 {{\n php_server {{\n {php_server}\n }}\n}}\n");
        fs::write(folder.path().join("Caddyfile"), text).expect("a file");
        validate(folder.path())
    };
    let (redis, etcd) = ("cluster {\n engine redis redis://h\n }\n", "cluster {\n engine etcd http://h:1\n }\n");
    let store = "store flags {\n cluster\n max_bytes 1MiB\n max_keys 10\n }\n";
    for (frankenphp, php_server) in [(format!("{store}{redis}"), ""), (redis.to_owned(), store)] {
        let (text, status) = adapt(&frankenphp, php_server);
        assert_eq!(status, Some(0), "{text}");
    }
    for (frankenphp, expected) in [
        (store.to_owned(), "the store `flags` is of the cluster, but no engine is declared"),
        (format!("{etcd}{store}"), "the store `flags` is of the cluster, whose engine is not Redis"),
        (format!("{redis}store a {{\n cluster\n listen :1\n password p\n }}"), "so it has no `listen`"),
        (format!("{redis}store a {{\n cluster\n eviction lru\n }}"), "so it has no `eviction`"),
        (format!("{redis}store a:b {{\n cluster\n }}"), "so its name cannot have a `:`"),
        (format!("{redis}{store}apcu flags"), "`apcu` names the store `flags`, which is of the cluster"),
        (format!("{redis}store a {{\n cluster yes\n }}"), "`cluster`"),
    ] {
        let (text, status) = adapt(&frankenphp, "");
        assert!(text.contains(expected) && status == Some(1), "{expected}\n{status:?} {text}");
    }
}

pub(crate) fn validate(folder: &Path) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
    let output = command.args(["validate", "--config", "Caddyfile"]).current_dir(folder).output().expect("igor runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (text.into_owned(), output.status.code())
}
