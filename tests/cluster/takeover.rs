//! How long a takeover takes, against the promise: the lease and two seconds, until the script starts on another instance.
//!
//! The margin for a loaded machine is measured: a thread that only sleeps sums up how much later than it asked for it wakes. So
//! a quiet machine gets nothing on top of the promise, and a busy one gets the time that it has withheld from a process.

use crate::engines::Engine;
use crate::instance::Instance;
use crate::until;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// That of the instances of these tests.
const LEASE: Duration = Duration::from_secs(2);
/// What docs/cluster.md promises beyond the lease.
const BEYOND: Duration = Duration::from_secs(2);
/// The watching thread asks for so much sleep at once.
const NAP: Duration = Duration::from_millis(10);

/// The terms that this instance has begun.
fn terms(instance: &Instance) -> usize {
    let log = instance.log();
    let lines = log.lines().filter(|line| line.contains("this instance leads the cluster worker"));
    lines.filter(|line| !line.contains("no more")).count()
}

pub(crate) struct Takeover {
    began: Instant,
    before: Vec<usize>,
    elections: u64,
    is_over: Arc<AtomicBool>,
    lateness: JoinHandle<Duration>,
}

impl Takeover {
    /// From now on the leader does not renew its lease.
    pub(crate) fn begin(instances: &[Instance], engine: &Engine) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = is_over.clone();
        let lateness = std::thread::spawn(move || {
            let mut late = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let asleep = Instant::now();
                std::thread::sleep(NAP);
                late += asleep.elapsed().saturating_sub(NAP);
            }
            late
        });
        let before = instances.iter().map(terms).collect();
        Self { began: Instant::now(), before, elections: engine.elections(), is_over, lateness }
    }

    /// Waits until the script starts on another instance than `old`, and fails if that was too late.
    pub(crate) fn ends(self, what: &str, old: usize, instances: &[Instance], engine: &Engine) {
        let others = || instances.iter().zip(&self.before).enumerate().filter(|(number, _)| *number != old);
        until("another leader", || others().any(|(_, (instance, before))| terms(instance) > *before).then_some(()));
        let took = self.began.elapsed();
        self.is_over.store(true, Ordering::Relaxed);
        let late = self.lateness.join().expect("it only sleeps");
        // When etcd elects a leader of its own, it renews all leases.
        let leases = if engine.elections() == self.elections { 1 } else { 2 };
        let promised = LEASE * leases + BEYOND;
        println!(
            "{what}: another leads after {took:?}; promised are {promised:?}, and the machine was late by {late:?}"
        );
        assert!(
            took <= promised + late,
            "{what}: another instance led after {took:?}, not within {promised:?} + {late:?}"
        );
    }
}
