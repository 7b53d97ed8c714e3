//! Very many instances in one process that share one engine: each is the task that an instance runs, with connections of
//! its own. Measures how long a publish needs until all have it, for scripts/bench-cluster.sh, which starts the engine and
//! counts what goes over the network.

use super::Member;
use super::task::Ties;
use crate::config::limits::CLUSTER_BYTES_DEFAULT;
use crate::config::{ClusterSettings, Credentials, EngineAddress, EngineHost, EngineSettings};
use crate::vars::{ArrayNode, Limits, Node, NodeKey, Slot, Snapshot, View};
use crate::worker::background::ClusterState;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What all instances share here: where the one that leads publishes, and who has the newest.
struct World {
    source: Arc<Slot>,
    began: Mutex<Instant>,
    times: Mutex<Vec<Duration>>,
    /// The number of the last publish.
    round: AtomicU64,
    /// So many instances have it.
    arrivals: AtomicUsize,
}

/// One instance.
struct Instance {
    world: Arc<World>,
    state: Arc<ClusterState>,
    leads: AtomicBool,
    /// The number of the last publish that it has, and the number of all.
    newest: AtomicU64,
    seen: AtomicU64,
}

impl Member for Instance {
    fn key(&self) -> String {
        "global/simulated".to_owned()
    }

    fn state(&self) -> Arc<ClusterState> {
        self.state.clone()
    }

    fn lead(&self) -> Option<Arc<Slot>> {
        self.leads.store(true, Ordering::Relaxed);
        Some(self.world.source.clone())
    }

    fn follow(&self) {
        self.leads.store(false, Ordering::Relaxed);
    }

    fn limit(&self, _bytes_max: usize) {}

    fn is_live(&self) -> bool {
        false
    }

    fn is_given_up(&self) -> bool {
        false
    }

    fn arrived(&self, snapshot: Arc<Snapshot>) {
        let numbers =
            snapshot.view().iter().find_map(|(_, value)| if let View::Int(round) = value { Some(round) } else { None });
        let round = numbers.expect("a round").cast_unsigned();
        self.seen.fetch_add(1, Ordering::Relaxed);
        // One without an answer is offered again.
        if self.newest.swap(round, Ordering::Relaxed) == round || round != self.world.round.load(Ordering::Relaxed) {
            return;
        }
        let began = *self.world.began.lock().expect("no panic");
        self.world.times.lock().expect("no panic").push(began.elapsed());
        self.world.arrivals.fetch_add(1, Ordering::Relaxed);
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The settings of an engine at `KIND://HOST:PORT`.
pub(super) fn settings_of(url: &str) -> ClusterSettings {
    let (kind, address) = url.split_once("://").expect("KIND://HOST:PORT");
    let address: SocketAddr = address.parse().expect("HOST:PORT");
    let hosts = vec![EngineHost { tls: false, host: address.ip().to_string(), port: address.port() }];
    let credentials = Credentials::default();
    let engine = match kind {
        "redis" => EngineAddress::Redis(crate::config::Password(url.to_owned())),
        "etcd" => EngineAddress::Etcd { members: hosts, credentials },
        "nats" => EngineAddress::Nats { servers: hosts, credentials },
        other => panic!("`{other}` is no engine"),
    };
    let settings = ClusterSettings::of(EngineSettings::at(engine));
    ClusterSettings { prefix: "simulation".to_owned(), max_bytes: CLUSTER_BYTES_DEFAULT, ..settings }
}

fn snapshot(round: u64, bytes: usize) -> Arc<Snapshot> {
    let mut array = ArrayNode::default();
    array.set(NodeKey::of(b"round"), Node::Int(round.cast_signed()));
    array.set(NodeKey::of(b"bytes"), Node::Bytes(vec![b'x'; bytes].into()));
    Arc::new(array.snapshot(Limits::default()).expect("it can be published"))
}

/// The bytes and packets that the loopback interface has sent so far.
fn traffic() -> [u64; 2] {
    let text = std::fs::read_to_string("/proc/net/dev").expect("Linux");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("a loopback interface");
    let mut numbers = line.split_whitespace().map(|number| number.parse().expect("a number"));
    [numbers.next().expect("bytes"), numbers.next().expect("packets")]
}

fn difference(after: [u64; 2], before: [u64; 2]) -> [f64; 2] {
    [0, 1].map(|number| (after[number] - before[number]) as f64)
}

async fn all_have_it(world: &World, followers: usize) {
    let until = Instant::now() + Duration::from_secs(120);
    while world.arrivals.load(Ordering::Relaxed) < followers {
        assert!(Instant::now() < until, "{} of {followers}", world.arrivals.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn publish(world: &World, bytes: usize) {
    let snapshot = snapshot(world.round.fetch_add(1, Ordering::Relaxed) + 1, bytes);
    world.arrivals.store(0, Ordering::Relaxed);
    *world.began.lock().expect("no panic") = Instant::now();
    world.source.publish_shared(snapshot);
}

async fn measured(world: &World, instances: usize, bytes: usize) {
    let rounds = number("CLUSTER_ROUNDS", 20);
    // What looks and renewals cost without a publish.
    let (before, since) = (traffic(), Instant::now());
    tokio::time::sleep(Duration::from_secs(number("CLUSTER_IDLE_SECONDS", 5))).await;
    let idle = difference(traffic(), before).map(|count| count / since.elapsed().as_secs_f64());
    world.times.lock().expect("no panic").clear();
    let (before, since) = (traffic(), Instant::now());
    for _ in 0..rounds {
        publish(world, bytes);
        all_have_it(world, instances).await;
    }
    let seconds = since.elapsed().as_secs_f64() / rounds as f64;
    let [sent, packets] = difference(traffic(), before).map(|count| count / rounds as f64);
    let mut times = std::mem::take(&mut *world.times.lock().expect("no panic"));
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1000.0;
    println!(
        "| {bytes} | {:.1} ms | {:.1} ms | {seconds:.2} s | {:.0} KiB | {packets:.0} | {:.0} KiB | {:.0} |",
        at(50),
        at(99),
        sent / 1024.0,
        idle[0] / 1024.0,
        idle[1]
    );
}

#[test]
#[ignore = "scripts/bench-cluster.sh starts an engine for it"]
fn many_followers() {
    let count = usize::try_from(number("CLUSTER_FOLLOWERS", 1000)).expect("a count");
    let settings =
        watch::Sender::new(settings_of(&std::env::var("CLUSTER_ENGINE").expect("CLUSTER_ENGINE names an engine")));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let world = Arc::new(World {
        source: Slot::new(b"simulated"),
        began: Mutex::new(Instant::now()),
        times: Mutex::default(),
        round: AtomicU64::new(0),
        arrivals: AtomicUsize::new(0),
    });
    let (_stop, stopped) = watch::channel(false);
    let (_ended, held) = watch::channel(());
    publish(&world, 1024);
    let new = || Instance {
        world: world.clone(),
        state: Arc::default(),
        leads: false.into(),
        newest: 0.into(),
        seen: 0.into(),
    };
    // One more, which leads.
    let instances: Vec<Arc<Instance>> = (0..=count).map(|_| Arc::new(new())).collect();
    runtime.block_on(async {
        for (number, member) in instances.iter().enumerate() {
            let (member, settings) = (member.clone(), settings.subscribe());
            let (stopped, held) = (stopped.clone(), held.clone());
            tokio::spawn(super::run(Ties { member, settings, stopped, after: None, held }));
            // A thousand connections at once are more than a listener keeps waiting.
            if number % 20 == 19 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        all_have_it(&world, instances.len()).await;
        println!("{count} followers");
        println!("| bytes | p50 | p99 | until the next publish | sent meanwhile | packets | without publishes, per second | packets |");
        for bytes in [1 << 10, 64 << 10] {
            measured(&world, instances.len(), bytes).await;
        }
    });
    assert_eq!(instances.iter().filter(|instance| instance.leads.load(Ordering::Relaxed)).count(), 1);
    let seen = || instances.iter().map(|instance| instance.seen.load(Ordering::Relaxed));
    println!("each has seen {} to {} snapshots", seen().min().unwrap_or(0), seen().max().unwrap_or(0));
}
