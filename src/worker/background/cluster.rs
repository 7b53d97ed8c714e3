//! A worker that runs on one instance of a cluster at a time: whether it may run on this one, where its script then
//! publishes, and its state, for operators and for messages. The layer `cluster` decides.

use super::Background;
use super::life::Event;
use crate::limits::config::CLUSTER_BYTES_DEFAULT;
use crate::php::{Failure, Scope};
use crate::vars::{Slot, Snapshot};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a worker has besides, if it belongs to a cluster. Its successors after a reload have the same.
pub(super) struct Term {
    /// Whether this instance leads: without it no script starts.
    leads: AtomicBool,
    /// Where the script of the current term publishes. The cluster alone reads it.
    source: Mutex<Arc<Slot>>,
    /// The bytes of the largest snapshot; a reload may change them.
    bytes_max: AtomicUsize,
    /// The worker, and those before it that reloads have replaced: their scripts may still run. Protects the list alone.
    workers: Mutex<Vec<Weak<Background>>>,
    pub(super) state: Arc<ClusterState>,
}

impl Term {
    pub(super) fn new(name: &str) -> Self {
        let source = Mutex::new(Slot::new(name.as_bytes()));
        let bytes_max = AtomicUsize::new(CLUSTER_BYTES_DEFAULT);
        Self { leads: AtomicBool::new(false), source, bytes_max, workers: Mutex::default(), state: Arc::default() }
    }

    /// One more worker publishes by it.
    pub(super) fn register(&self, worker: &Arc<Background>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.strong_count() > 0);
        workers.push(Arc::downgrade(worker));
    }

    /// Whether a thread of any of its workers is left.
    fn is_live(&self) -> bool {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.iter().filter_map(Weak::upgrade).any(|worker| worker.is_live())
    }

    /// A term begins. What scripts of earlier terms publish is read by no one.
    pub(super) fn begin(&self) -> Arc<Slot> {
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        *source = Slot::new(source.name());
        self.leads.store(true, Ordering::Release);
        source.clone()
    }

    pub(super) fn end(&self) {
        self.leads.store(false, Ordering::Release);
    }

    pub(super) fn leads(&self) -> bool {
        self.leads.load(Ordering::Acquire)
    }

    pub(super) fn source(&self) -> Arc<Slot> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn refuses(&self, bytes: usize) -> Option<String> {
        let bytes_max = self.bytes_max.load(Ordering::Relaxed);
        (bytes > bytes_max).then(|| {
            format!(
                "the array needs {bytes} bytes, and the cluster takes at most {bytes_max}; publish less, or raise max_bytes \
                 in the cluster block of every instance"
            )
        })
    }
}

impl Background {
    /// Whether a script may start on this instance: not before it leads, if the worker belongs to a cluster.
    pub(super) fn may_run(&self) -> bool {
        self.term.as_ref().is_none_or(|term| term.leads())
    }

    /// Where the next run publishes.
    pub(super) fn publishes_to(&self) -> Arc<Slot> {
        self.term.as_ref().map_or_else(|| self.slot.clone(), |term| term.source())
    }

    /// Its state in the cluster, if it belongs to a cluster.
    pub fn cluster(&self) -> Option<&Arc<ClusterState>> {
        self.term.as_ref().map(|term| &term.state)
    }

    /// Sets the bytes of the largest snapshot that the cluster takes.
    pub fn limit(&self, bytes_max: usize) {
        if let Some(term) = &self.term {
            term.bytes_max.store(bytes_max, Ordering::Relaxed);
        }
    }

    /// Whether a script still runs that publishes to the cluster: of this worker, or of one that a reload has replaced or
    /// removed.
    pub fn is_live_in_cluster(&self) -> bool {
        self.term.as_ref().is_some_and(|term| term.is_live())
    }

    /// This instance leads: starts the script. Returns the slot that it publishes to. `None`: it belongs to no cluster.
    ///
    /// # Errors As for [`start`](Self::start).
    pub fn lead(self: &Arc<Self>, own_scope: &Arc<dyn Scope>) -> Result<Option<Arc<Slot>>, Failure> {
        let Some(term) = &self.term else { return Ok(None) };
        let source = term.begin();
        if let Err(failure) = self.start(own_scope) {
            term.end();
            return Err(failure);
        }
        Ok(Some(source))
    }

    /// This instance leads no more: the script should end, and does not start again. The caller interrupts one that goes
    /// on, see [`end_runs`](crate::threads::end_runs). `false`: it ends already.
    pub fn follow(&self) -> bool {
        let Some(term) = &self.term else { return false };
        let handles = {
            let mut state = self.locked();
            term.end();
            if state.life.is_stopping() || state.live == 0 {
                return false;
            }
            // Its end is no failure then.
            state.restarts += 1;
            std::mem::take(&mut state.handles)
        };
        self.tasks.hang_up(self.identity());
        self.changed.notify_all();
        drop(handles);
        self.thread_group.ask_to_end();
        true
    }

    /// The cluster has accepted a snapshot, from this instance or another one: all read it from now on.
    pub fn arrived(&self, snapshot: Arc<Snapshot>) {
        let (_, replaced) = self.slot.publish_shared(snapshot);
        if let Some(replaced) = replaced {
            crate::vars::retire(replaced.snapshot);
        }
        let mut state = self.locked();
        if !state.life.was_ready() {
            state.counters.ready += 1;
        }
        state.life.on(Event::Ready);
        drop(state);
        self.changed.notify_all();
    }
}

/// The place of an accepted publish in the order of all publishes of a worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Counts the leaders, from 1: the fencing token. 0: nothing was published.
    pub epoch: u64,
    /// Counts the publishes of one leader, from 1.
    pub number: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.epoch, self.number)
    }
}

/// The state of one worker of the cluster on this instance.
#[derive(Debug)]
pub struct ClusterState {
    inner: Mutex<Inner>,
    /// When the worker was declared: the engine is silent from then on, until it first answers.
    since: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    leads: bool,
    leader: Option<String>,
    position: Position,
    /// What the script has published, and the engine has not accepted yet.
    behind: u64,
    /// The last time when the engine has answered.
    answered: Option<Instant>,
    error: Option<String>,
    errors: u64,
    elections: u64,
    refused: u64,
}

/// The same at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Whether this instance runs the script.
    pub leads: bool,
    /// The name of the instance that does. `None`: not known, or none does.
    pub leader: Option<String>,
    /// That of the snapshot in the slot; its epoch is 0 before the first.
    pub position: Position,
    /// Publishes of the own script that the engine has not accepted yet.
    pub behind: u64,
    /// Whether the engine has ever answered.
    pub reached: bool,
    /// How long the engine has not answered; before its first answer, since the start.
    pub silent: Duration,
    /// Why it does not answer now.
    pub error: Option<String>,
    /// Calls of the engine that failed.
    pub errors: u64,
    /// How often this instance has become the leader.
    pub elections: u64,
    /// Publishes that the engine has refused, because another instance leads.
    pub refused: u64,
}

impl Default for ClusterState {
    fn default() -> Self {
        Self { inner: Mutex::default(), since: Instant::now() }
    }
}

impl ClusterState {
    /// The state now.
    #[must_use]
    pub fn view(&self) -> ClusterView {
        let inner = self.locked();
        ClusterView {
            leads: inner.leads,
            leader: inner.leader.clone(),
            position: inner.position,
            behind: inner.behind,
            reached: inner.answered.is_some(),
            silent: inner.answered.unwrap_or(self.since).elapsed(),
            error: inner.error.clone(),
            errors: inner.errors,
            elections: inner.elections,
            refused: inner.refused,
        }
    }

    /// Why nothing has arrived, for the message of a wait.
    #[must_use]
    pub fn why_empty(&self) -> String {
        let inner = self.locked();
        match (&inner.error, &inner.leader, inner.answered) {
            (Some(error), ..) => format!("the cluster's engine is not usable: {error}"),
            (None, _, None) => "the cluster's engine has not answered yet".to_owned(),
            (None, Some(leader), _) => format!("the instance {leader} runs it, and has not published yet"),
            (None, None, _) => "no instance of the cluster runs it".to_owned(),
        }
    }

    /// This instance has become the leader.
    pub fn led(&self, own: &str) {
        let mut inner = self.locked();
        inner.elections += 1;
        inner.leads = true;
        inner.leader = Some(own.to_owned());
    }

    /// It leads no more.
    pub fn lost(&self) {
        let mut inner = self.locked();
        inner.leads = false;
        inner.leader = None;
        inner.behind = 0;
    }

    /// Another instance leads.
    pub fn follows(&self, leader: &str) {
        let mut inner = self.locked();
        if inner.leader.as_deref() != Some(leader) {
            inner.leader = Some(leader.to_owned());
        }
    }

    /// A snapshot has arrived.
    pub fn at(&self, position: Position) {
        self.locked().position = position;
    }

    /// So many publishes of the own script are on their way to the engine.
    pub fn behind(&self, publishes: u64) {
        self.locked().behind = publishes;
    }

    /// The engine has refused a publish.
    pub fn refused(&self) {
        self.locked().refused += 1;
    }

    /// The engine has answered. Returns whether it had not before.
    pub fn answered(&self) -> bool {
        let mut inner = self.locked();
        inner.answered = Some(Instant::now());
        inner.error.take().is_some()
    }

    /// A call of it failed. Returns whether the one before had not.
    pub fn failed(&self, error: &str) -> bool {
        let mut inner = self.locked();
        inner.errors += 1;
        inner.error.replace(error.to_owned()).is_none()
    }

    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
