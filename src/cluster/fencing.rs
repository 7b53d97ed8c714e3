//! A leader that another one has replaced cannot publish, by the engine's own comparison. The clock of `task` stops nearly
//! all such publishes before, so here the engines are asked without it, on the real servers.

use super::engine::{Engine, Fate, Lead};
use super::etcd::Etcd;
use super::nats::Nats;
use super::ports::free_address;
use super::redis::Redis;
use super::simulation::settings_of;
use crate::config::ClusterSettings;
use crate::worker::background::Position;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A server of its own, which is killed with its folder.
struct Server {
    child: Child,
    _folder: TempDir,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the server of an engine, and waits until it answers.
fn server(kind: &str) -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("it is text");
    let (port, peers) = (free_address().port(), free_address().port());
    let (address, of_peers) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    let (program, arguments) = match kind {
        "redis" => ("redis-server", format!("--port {port} --bind 127.0.0.1 --appendonly no --dir {data}")),
        "nats" => ("nats-server", format!("--jetstream --store_dir {data} --addr 127.0.0.1 --port {port}")),
        _ => (
            "etcd",
            format!(
                "--data-dir {data} --listen-client-urls {address} --advertise-client-urls {address} --listen-peer-urls \
                 {of_peers} --initial-advertise-peer-urls {of_peers} --initial-cluster default={of_peers}"
            ),
        ),
    };
    let arguments = arguments.split(' ');
    let started = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = started.unwrap_or_else(|error| panic!("{program}: {error}; scripts/packages.sh install test"));
    let server = Server { child, _folder: folder, port };
    let until = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "{program} does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

/// Repeats a call until the engine can answer it: a server that listens may still be starting.
async fn takes<E: Engine>(engine: &mut E, known: u64) -> u64 {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        match engine.lead(known).await {
            Ok(Lead::Own(epoch)) => return epoch,
            other => assert!(Instant::now() < until, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn replaced_leaders_publish_nothing<E: Engine>(kind: &str, new: impl Fn(&ClusterSettings, &str) -> E) {
    let server = server(kind);
    let settings = settings_of(&format!("{kind}://127.0.0.1:{}", server.port));
    // No lease ends by itself here.
    let settings = ClusterSettings { lease: Duration::from_secs(600), ..settings };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut old, mut new) = (new(&settings, "fenced"), new(&settings, "fenced"));
        let epoch = takes(&mut old, 0).await;
        let first = Position { epoch, number: 1 };
        assert_eq!(old.publish(first, b"first").await, Ok(Fate::Accepted));
        assert_eq!(new.read(Position::default()).await, Ok(Some((first, b"first".to_vec()))));

        // An instance that knows of a later epoch ends the lease of an earlier one.
        let later = takes(&mut new, epoch + 5).await;
        assert!(later > epoch, "{later}, {epoch}");
        let late = Position { epoch, number: 2 };
        assert_eq!(old.publish(late, b"late").await, Ok(Fate::Lost), "before the new leader has published");
        assert_eq!(new.read(first).await, Ok(None));

        let second = Position { epoch: later, number: 1 };
        assert_eq!(new.publish(second, b"second").await, Ok(Fate::Accepted));
        let late = Position { epoch, number: 3 };
        assert_eq!(old.publish(late, b"late").await, Ok(Fate::Lost), "after the new leader has published");
        assert_eq!(old.read(first).await, Ok(Some((second, b"second".to_vec()))));
    });
}

#[test]
fn a_replaced_leader_publishes_nothing_by_redis() {
    replaced_leaders_publish_nothing("redis", Redis::new);
}

#[test]
fn a_replaced_leader_publishes_nothing_by_etcd() {
    replaced_leaders_publish_nothing("etcd", Etcd::new);
}

#[test]
fn a_replaced_leader_publishes_nothing_by_nats() {
    replaced_leaders_publish_nothing("nats", Nats::new);
}
