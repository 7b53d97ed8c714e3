//! A worker, for its tasks: its name, number of threads, and counters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A worker that takes tasks, and may send some. Its address is its identity, which its successors share.
pub struct TaskWorker {
    name: String,
    /// The declared number of threads. `Relaxed`: a number that guards no memory.
    threads: AtomicUsize,
    counters: TaskCounters,
}

/// The counts of a worker's tasks. All accesses are `Relaxed`: no other memory depends on these counters.
#[derive(Default)]
pub(super) struct TaskCounters {
    pub(super) running: AtomicUsize,
    pub(super) completed: AtomicU64,
    pub(super) aborted: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) timed_out: AtomicU64,
    pub(super) nanos: AtomicU64,
}

impl TaskWorker {
    pub(super) fn new(name: &str, threads: usize) -> Arc<Self> {
        Arc::new(Self { name: name.to_owned(), threads: AtomicUsize::new(threads), counters: TaskCounters::default() })
    }

    /// The worker's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The declared number of threads.
    pub fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    pub(super) fn set_threads(&self, threads: usize) {
        self.threads.store(threads, Ordering::Relaxed);
    }

    pub(super) fn counters(&self) -> &TaskCounters {
        &self.counters
    }
}

impl TaskCounters {
    pub(super) fn completed(&self) {
        self.completed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn aborted(&self) {
        self.aborted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn closed(&self, took: Duration) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
