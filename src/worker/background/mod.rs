//! One background worker: a name, a slot, and one or more PHP threads that run its script.
//!
//! Its state is a `Lifecycle`, in `State` under one lock. Only the worker's own threads make it ready or give it up.
//! Only `start` starts it, so any number of callers start it once. Callers that wait do so on `changed`. The lock is
//! never held across a call into the engine. It is held while threads are spawned, so the values that are made for a
//! thread must not take it before that thread runs.

mod cluster;
mod config;
mod feed;
mod handle;
mod life;
mod native;
mod native_loop;
mod waiting;
mod work;

use super::counters::{LastPublish, WorkerCounters};
use super::messages::{self, LastFailure, ReadiedBy, Subject};
use super::waits::{Waiter, Waiters, Waits};
use crate::php::{Failure, Scope, ScriptError, ThreadOptions};
use crate::tasks::{TaskCounts, TaskQueue};
use crate::threads::{Identity, ThreadGroup};
use crate::vars::Slot;
use cluster::Term;
pub use cluster::{ClusterState, ClusterView, Position};
pub use config::{BackgroundConfig, ReadyWhen};
pub use feed::Feed;
use handle::HandleEnd;
use life::{Event, Lifecycle};
pub use native::{Native, NativeCode, NativeRun, PublishRefused, Publisher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
pub(super) use waiting::Since;

/// Shared by the workers of a process.
#[derive(Clone)]
pub struct Shared {
    /// How their threads are made.
    pub options: ThreadOptions,
    /// Which worker waits for which.
    pub waits: Arc<Waits>,
    /// Set when the server stops: no worker starts any more, not even one of a catch-all.
    pub stopping: Arc<AtomicBool>,
}

/// A background worker.
pub struct Background {
    name: String,
    /// The label of its scope, for logs and views.
    scope: String,
    config: BackgroundConfig,
    /// Where it publishes. A successor after a reload takes the slot over, so its readers see no gap.
    slot: Arc<Slot>,
    /// Of a worker that belongs to a cluster.
    term: Option<Arc<Term>>,
    /// The tasks that other scripts have sent to it; a successor takes them over.
    tasks: Arc<TaskQueue>,
    /// The graph of all workers that wait for each other.
    waits: Arc<Waits>,
    /// Set before the workers are stopped, so that no script starts another one.
    server_stopping: Arc<AtomicBool>,
    thread_group: ThreadGroup,
    /// What its topic has got last.
    sent: Mutex<feed::Sent>,
    /// Also of publishes that changed nothing.
    last_publish: Arc<LastPublish>,
    /// Protects everything that changes; never held while a script runs or a thread is started on.
    state: Mutex<State>,
    /// Notified at every change that a waiter looks for.
    changed: Condvar,
}

/// What changes in a worker's life.
#[derive(Default)]
struct State {
    /// Threads that were started and are still in their loop.
    live: usize,
    /// Threads in a run of the script, not between two.
    running: usize,
    /// Not all threads could be started; this was logged.
    is_short: bool,
    life: Lifecycle,
    /// Threads whose script is up: it has asked for its handle, or is ready.
    up: usize,
    /// The reason: a reload has removed it from the configuration.
    retired: bool,
    /// How often a restart was asked for. A run that started before the newest one should end, and its end is not a
    /// failure.
    restarts: u64,
    /// The worker of this name before a reload changed its configuration. No script starts before its threads have
    /// left.
    predecessor: Option<Arc<Background>>,
    /// Failures in a row, for messages.
    attempts: u32,
    /// All failed runs so far: a waiter sees by it that one has failed since.
    failures: u64,
    /// How often it has been given up: the same.
    give_ups: u64,
    /// For messages to those who wait for the worker.
    last_failure: Option<LastFailure>,
    /// Exit status of the last run that ended.
    last_exit: Option<i32>,
    /// How often the script was started.
    runs: u64,
    counters: WorkerCounters,
    /// The scripts that wait until it is ready.
    waiters: Waiters,
    /// The server's ends of the handles of the current runs, by thread.
    handles: Vec<(usize, HandleEnd)>,
}

impl State {
    /// One more script is up.
    fn note_up(&mut self) {
        self.up += 1;
        self.life.on(Event::Up);
    }

    /// A script that was up has ended.
    fn note_down(&mut self) {
        self.up -= 1;
        if self.up == 0 {
            self.life.on(Event::Down);
        }
    }
}

/// The state of a worker, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `idle`, `starting`, `running`, `ready`, `given up` or `stopping`.
    pub state: &'static str,
    /// PHP threads that run it.
    pub threads: usize,
    /// Runs of the script so far.
    pub runs: u64,
    /// Failures in a row.
    pub attempts: u32,
    /// Exit status of the last run that ended; 255 after a fatal error or an uncaught exception.
    pub last_exit: Option<i32>,
    /// The PHP error that ended the last failed run; forgotten when the worker is started after it was given up.
    pub last_error: Option<ScriptError>,
    /// The time since its script last called `frankenphp_set_vars()`, whether or not the array had changed.
    pub published: Option<Duration>,
    /// What has been counted.
    pub counters: WorkerCounters,
    /// Its tasks.
    pub tasks: TaskCounts,
    /// The threads that wait until it is ready, the longest wait first.
    pub waiters: Vec<Waiter>,
}

impl Background {
    /// A worker that does not run yet.
    pub fn new(name: &str, scope: &str, config: BackgroundConfig, shared: &Shared) -> Arc<Self> {
        let tasks = TaskQueue::new(name, config.num.max(1), config.tasks_max);
        let term = config.cluster.then(|| Arc::new(Term::new(name)));
        let published = (Slot::new(name.as_bytes()), Arc::new(LastPublish::never()), tasks, term);
        Self::with(name, scope, config, shared, published, State::default(), None)
    }

    /// The same worker with another config. Its snapshot stays readable, and it stays ready if it was. Its
    /// script starts when the last script of `predecessor`, which the caller stops, has ended.
    pub fn succeed(predecessor: &Arc<Self>, config: BackgroundConfig, shared: &Shared) -> Arc<Self> {
        let Self { name, scope, slot, last_publish, .. } = &**predecessor;
        let before = predecessor.locked();
        // A predecessor that never ran is not waited for, so many reloads do not make a chain of workers.
        let waits_for = if before.live > 0 { Some(predecessor.clone()) } else { before.predecessor.clone() };
        let mut counters = before.counters;
        // A thread between two runs was counted when its last run ended.
        counters.restarts.reload += before.running as u64;
        let state = State {
            life: before.life.succeed(),
            runs: before.runs,
            counters,
            predecessor: waits_for,
            ..State::default()
        };
        drop(before);
        let new_term = || Arc::new(Term::new(name));
        let term = config.cluster.then(|| predecessor.term.clone().unwrap_or_else(new_term));
        predecessor.tasks.redeclare(config.num.max(1), config.tasks_max);
        let published = (slot.clone(), last_publish.clone(), predecessor.tasks.clone(), term);
        Self::with(name, scope, config, shared, published, state, Some(&predecessor.thread_group))
    }

    fn with(
        name: &str,
        scope: &str,
        config: BackgroundConfig,
        shared: &Shared,
        (slot, last_publish, tasks, term): (Arc<Slot>, Arc<LastPublish>, Arc<TaskQueue>, Option<Arc<Term>>),
        state: State,
        predecessor: Option<&ThreadGroup>,
    ) -> Arc<Self> {
        let options = ThreadOptions { name: format!("bg-{name}"), ..shared.options.clone() };
        let identity = Identity {
            worker: Some(name.to_owned()),
            scope: Some(scope.to_owned()),
            script: Some(config.file.clone()),
        };
        let worker = Arc::new(Self {
            name: name.to_owned(),
            scope: scope.to_owned(),
            config,
            slot,
            term,
            tasks,
            waits: shared.waits.clone(),
            server_stopping: shared.stopping.clone(),
            thread_group: match predecessor {
                Some(thread_group) => thread_group.succeed(options, identity),
                None => ThreadGroup::new(options, identity),
            },
            sent: Mutex::new(feed::Sent::nothing()),
            last_publish,
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        if let Some(term) = &worker.term {
            term.register(&worker);
        }
        worker
    }

    /// The worker's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The label of the scope that declares it.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Its config.
    pub fn config(&self) -> &BackgroundConfig {
        &self.config
    }

    /// Where it publishes.
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The tasks that were sent to it.
    pub fn tasks(&self) -> &Arc<TaskQueue> {
        &self.tasks
    }

    /// No thread of it, and no successor, takes a task any more.
    pub(super) fn close_tasks(&self) {
        self.tasks.close(&self.stopped(&self.locked()).message);
    }

    /// The worker is no longer declared.
    pub(super) fn withdraw(&self) {
        self.tasks.close(&messages::removed(&self.name).message);
    }

    /// Identifies its threads among those that listen for tasks: a successor has others.
    fn identity(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }

    /// Its state, for operators.
    pub fn status(&self) -> Status {
        let state = self.locked();
        Status {
            state: state.life.word(),
            threads: state.live,
            runs: state.runs,
            attempts: state.attempts,
            last_exit: state.last_exit,
            last_error: state.last_failure.as_ref().and_then(|last| last.error.clone()),
            published: self.last_publish.ago(),
            counters: self.counters(&state),
            waiters: state.waiters.seen(),
            tasks: self.tasks.counts(),
        }
    }

    /// What has been counted, with the runs that were interrupted: the thread_group counts those, its predecessor's
    /// among them.
    fn counters(&self, state: &State) -> WorkerCounters {
        WorkerCounters { kills: self.thread_group.kills(), ..state.counters }
    }

    /// Starts the missing threads: all that the configuration asks for, or those that a pool has lost.
    /// Safe to call from many threads at once. Its script sees `own_scope`.
    ///
    /// # Errors
    /// The server stops, or the system has no thread left and none is there.
    pub fn start(self: &Arc<Self>, own_scope: &Arc<dyn Scope>) -> Result<(), Failure> {
        let mut state = self.locked();
        if state.life.is_stopping() || self.server_stopping.load(Ordering::Acquire) {
            return Err(self.stopped(&state));
        }
        if !self.may_run() {
            return Ok(());
        }
        if state.live == 0 {
            state.attempts = 0;
            state.last_failure = None;
        }
        // Under the lock, so that a second caller starts no more, and does not wait for a thread that could not be
        // started.
        while state.live < self.config.num.max(1) {
            let spawned = self.spawn(own_scope);
            match spawned {
                Ok(()) => {
                    if state.live == 0 {
                        state.life.on(Event::Started);
                    }
                    state.live += 1;
                }
                Err(error) if state.live == 0 => return Err(messages::no_thread(&self.name, &error)),
                Err(error) => {
                    // Every call that starts workers tries again, so the record would fill the log.
                    if !std::mem::replace(&mut state.is_short, true) {
                        tracing::error!(
                            worker = self.name,
                            scope = self.scope,
                            threads = state.live,
                            "a pool has fewer threads than declared: {error}"
                        );
                    }
                    return Ok(());
                }
            }
        }
        state.is_short = false;
        Ok(())
    }

    /// Lets the script end and start again on every thread, at once and without counting a failure: every handle
    /// reaches its end of file, every pause ends. Threads that were given up are started again; a worker that does not
    /// run stays so. Returns whether it runs. The caller interrupts scripts that do not end, see
    /// [`end_runs`](crate::threads::end_runs).
    ///
    /// # Errors
    /// A worker that was given up could not be started.
    pub fn restart(self: &Arc<Self>, own_scope: &Arc<dyn Scope>) -> Result<bool, Failure> {
        let (handles, runs) = {
            let mut state = self.locked();
            if state.life.is_stopping() {
                return Ok(false);
            }
            state.restarts += 1;
            (std::mem::take(&mut state.handles), state.live > 0 || state.life.is_given_up())
        };
        self.tasks.hang_up(self.identity());
        self.changed.notify_all();
        drop(handles);
        self.thread_group.ask_to_end();
        if runs {
            self.start(own_scope)?;
        }
        Ok(runs)
    }

    /// Whether it was given up, and not started again.
    pub fn is_given_up(&self) -> bool {
        self.locked().life.is_given_up()
    }

    /// Whether it has a thread.
    pub fn is_live(&self) -> bool {
        self.locked().live > 0
    }

    /// Asks the script to end: every handle reaches its end of file, every pause and wait ends.
    pub fn stop(&self) {
        let (handles, retired) = {
            let mut state = self.locked();
            state.life.on(Event::Stopped);
            (std::mem::take(&mut state.handles), state.retired)
        };
        self.tasks.hang_up(self.identity());
        // If a reload has replaced the worker, its successor takes the tasks.
        if !retired {
            self.close_tasks();
        }
        self.changed.notify_all();
        drop(handles);
        self.thread_group.ask_to_end();
    }

    /// Stops a worker that a reload has replaced or taken out.
    pub fn retire(&self) {
        self.locked().retired = true;
        self.stop();
    }

    /// Why it does not start any more.
    fn stopped(&self, state: &State) -> Failure {
        if state.retired { messages::removed(&self.name) } else { messages::stopping(&self.name) }
    }

    /// The threads, to be awaited with [`leave`](crate::threads::leave).
    pub fn thread_group(&self) -> &ThreadGroup {
        &self.thread_group
    }

    /// Why it does not run, if it was given up.
    fn given_up(&self, state: &State) -> Option<Failure> {
        let last = state.last_failure.as_ref().filter(|_| state.life.is_given_up())?;
        Some(messages::gave_up(self.subject(), state.attempts, last))
    }

    /// Why a reader gets nothing: it is given up, it has not published yet, or it does not run.
    pub(super) fn nothing_published(&self) -> Failure {
        let state = self.locked();
        let why = || match &self.term {
            Some(term) => messages::nothing_in_cluster(self.subject(), &term.state.why_empty()),
            None => messages::nothing_published(self.subject(), state.live > 0),
        };
        self.given_up(&state).unwrap_or_else(why)
    }

    fn subject(&self) -> Subject<'_> {
        Subject { name: &self.name, file: &self.config.file, scope: &self.scope, readied_by: self.readied_by() }
    }

    fn readied_by(&self) -> ReadiedBy {
        if self.config.native.is_some() { ReadiedBy::Rust } else { ReadiedBy::SET_VARS }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain store, so a panic leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
