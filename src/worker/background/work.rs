//! One PHP thread of a background worker: what it runs next, and what follows on the end of a run.

use super::life::Event;
use super::{Background, ReadyWhen, State};
use crate::exchange::Pairs;
use crate::php::{Ended, Mode, Next, Run, Scope, ScriptError, Work};
use crate::php::{LineLog, log_php};
use crate::tasks::{Task, ThreadKey};
use crate::threads::Activity;
use crate::vars::Slot;
use crate::worker::environment::{script_path, server_vars};
use crate::worker::messages::LastFailure;
use crate::worker::run_end::{Asked, Follows, Kind, RunEnd, exit_status};
use crate::worker::supervise::Failures;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often a thread that waits for the worker's predecessor checks whether it should stop itself.
const PREDECESSOR_LOOK_EVERY: Duration = Duration::from_millis(50);

/// One thread of a background worker.
pub(super) struct BackgroundWork {
    worker: Arc<Background>,
    /// The workers that the script sees.
    scope: Arc<dyn Scope>,
    /// Of the thread in its group.
    number: usize,
    activity: Arc<Activity>,
    /// Of this thread's runs in a row.
    failures: Failures,
    /// The pause before the next run.
    pause: Duration,
    /// The number of this thread's current or last run, counted from 1.
    run: u64,
    /// The number of requested restarts when the run started.
    restarts: u64,
    /// When the current run started.
    started: Instant,
    /// When this run was up: it had asked for its handle, or was ready. From then on it may end well.
    up_at: Option<Instant>,
    /// Whether this run has been ready.
    is_ready: bool,
    /// The script's end of the run's handle; each call of the script gets a duplicate.
    handle: Option<OwnedFd>,
    /// Where this run publishes: the slot that all read, or the slot of its term for a worker of the cluster.
    publishes_to: Arc<Slot>,
    /// What the script prints goes to the log, line by line.
    output: LineLog,
    /// Whether the worker counts this thread as alive.
    standing: Standing,
}

/// Whether the worker counts the thread as live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It has not run yet, and never will if the thread could not be started. The caller that starts it counts it.
    New,
    /// It runs, and takes itself off the count when it leaves.
    Counted,
    /// It is off the count.
    Left,
}

impl BackgroundWork {
    pub(super) fn new(worker: Arc<Background>, scope: Arc<dyn Scope>, number: usize, activity: Arc<Activity>) -> Self {
        let publishes_to = worker.slot.clone();
        Self {
            publishes_to,
            worker,
            scope,
            number,
            activity,
            failures: Failures::default(),
            pause: Duration::ZERO,
            run: 0,
            restarts: 0,
            started: Instant::now(),
            up_at: None,
            is_ready: false,
            handle: None,
            output: LineLog::default(),
            standing: Standing::New,
        }
    }

    /// Waits until a script may start: for the worker's predecessor, and then for the pause, which a restart ends. `false`
    /// when the worker should stop.
    fn pause(&mut self) -> bool {
        self.activity.pausing();
        if !self.await_predecessor() {
            return false;
        }
        let until = Instant::now() + self.pause;
        let mut state = self.worker.locked();
        loop {
            if state.life.is_stopping() || !self.worker.may_run() {
                return false;
            }
            if state.restarts > self.restarts {
                self.failures = Failures::default();
                state.attempts = 0;
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.worker.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// `false` when the worker should stop.
    fn await_predecessor(&self) -> bool {
        loop {
            let predecessor = {
                let state = self.worker.locked();
                if state.life.is_stopping() {
                    return false;
                }
                match &state.predecessor {
                    Some(predecessor) => predecessor.clone(),
                    None => return true,
                }
            };
            if predecessor.await_left(PREDECESSOR_LOOK_EVERY) {
                self.worker.locked().predecessor = None;
            }
        }
    }

    /// `None`: the worker should stop.
    fn begin(&mut self) -> io::Result<Option<Run>> {
        let ends = super::handle::pair();
        self.started = Instant::now();
        self.is_ready = false;
        let up_at = self.up_at.take();
        let handle = {
            let mut state = self.worker.locked();
            // A panic may have cut a run short before its script.
            if up_at.is_some() {
                state.note_down();
            }
            if state.life.is_stopping() || !self.worker.may_run() {
                return Ok(None);
            }
            // Counted also when it cannot begin, so that the log separates its failure from those of other runs.
            state.runs += 1;
            state.running += 1;
            self.run = state.runs;
            self.restarts = state.restarts;
            let (handle, end) = ends?;
            state.handles.push((self.number, end));
            handle
        };
        self.publishes_to = self.worker.publishes_to();
        self.activity.running(self.run);
        self.handle = Some(handle);
        let worker = self.worker.clone();
        let Background { name, scope, config, .. } = &*worker;
        tracing::info!(worker = name, scope, thread = self.number, run = self.run, "background worker started");
        if config.ready == ReadyWhen::Start {
            self.note_ready();
        }
        Ok(Some(Run {
            script: script_path(&config.file),
            argument: CString::new(name.as_str()).ok(),
            server_vars: server_vars(&config.file, name, name, &config.env),
            request_vars: Pairs::default(),
            environment: config.environment.clone(),
            ini: config.ini.clone(),
            scope: self.scope.clone(),
        }))
    }

    /// The script has shown that it runs as a worker does: from now on it may end well, whether it publishes or not.
    fn note_up(&mut self) {
        if self.up_at.is_none() {
            self.up_at = Some(Instant::now());
            self.worker.locked().note_up();
        }
    }

    /// The run is ready, by its first publish or its first tick: waits for the worker return.
    fn note_ready(&mut self) {
        self.note_up();
        if std::mem::replace(&mut self.is_ready, true) {
            return;
        }
        let Background { name, scope, .. } = &*self.worker;
        {
            let mut state = self.worker.locked();
            state.life.on(Event::Ready);
            state.counters.ready += 1;
        }
        self.worker.changed.notify_all();
        tracing::info!(worker = name, scope, thread = self.number, run = self.run, "background worker ready");
    }

    /// The number of the current run.
    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// A duplicate of the run's handle for code that is no script: to ask for it makes nothing ready.
    pub(super) fn own_handle(&self) -> io::Result<OwnedFd> {
        self.handle.as_ref().ok_or_else(|| io::Error::other("no script runs"))?.try_clone()
    }

    /// The thread leaves its loop.
    fn leave(&mut self) {
        // A thread that never ran was not counted; it is dropped while the worker's lock is held.
        if std::mem::replace(&mut self.standing, Standing::Left) == Standing::Counted {
            self.worker.locked().live -= 1;
            self.worker.changed.notify_all();
        }
    }

    /// The thread leaves its loop because of a recorded failure. The worker is given up with the last thread of a pool;
    /// before that the others may still publish.
    fn give_up(&mut self) {
        self.standing = Standing::Left;
        let mut state = self.worker.locked();
        state.live -= 1;
        let gave_up = state.live == 0;
        if gave_up {
            state.life.on(Event::GaveUp);
            state.give_ups += 1;
            state.counters.give_ups += 1;
        }
        let reason = self.worker.given_up(&state).filter(|_| gave_up);
        drop(state);
        if let Some(reason) = reason {
            self.worker.tasks.refuse(&reason.message);
        }
        self.worker.changed.notify_all();
    }

    /// This thread, for the queue of tasks.
    fn key(&self) -> ThreadKey {
        (self.worker.identity(), self.number)
    }

    /// Records what follows the end of the run.
    fn note(&self, follows: &Follows) {
        let mut state = self.worker.locked();
        match follows {
            Follows::Stop => {}
            Follows::Restart => state.counters.restarts.restart += 1,
            Follows::NextRun => {
                state.attempts = 0;
                state.counters.restarts.exit += 1;
            }
            Follows::Retry(last) => {
                self.note_failure(&mut state, last);
                state.counters.restarts.failure += 1;
            }
            Follows::GiveUp(last) => self.note_failure(&mut state, last),
        }
    }

    /// Called under the worker's lock.
    fn note_failure(&self, state: &mut State, last: &LastFailure) {
        state.failures += 1;
        state.counters.failures += 1;
        state.attempts = self.failures.count();
        state.last_failure = Some(last.clone());
    }
}

impl Work for BackgroundWork {
    fn mode(&self) -> Mode {
        Mode::Background
    }

    fn next(&mut self) -> Next {
        if self.standing == Standing::New {
            self.standing = Standing::Counted;
        }
        while self.standing == Standing::Counted && self.pause() {
            match self.begin() {
                Ok(Some(run)) => return Next::Run(run),
                Ok(None) => break,
                // A shortage of descriptors may pass, so it is a failed run like others: with a pause, and up to the cap.
                Err(error) => {
                    let error = ScriptError {
                        level: "System error",
                        message: format!("making the worker's handle: {error}"),
                        ..ScriptError::default()
                    };
                    self.ended(Ended { exit_status: 255, failed: true, handled: false, error: Some(error) });
                }
            }
        }
        self.leave();
        Next::Stop
    }

    fn ended(&mut self, ended: Ended) {
        let worker = self.worker.clone();
        let (name, scope, thread, run) = (&worker.name, &worker.scope, self.number, self.run);
        self.output.flush(|line| tracing::info!(target: "php", worker = name, scope, thread, run, "{line}"));
        self.handle = None;
        worker.tasks.leave(self.key());
        // Taken, because the end of a run is repeated after a panic in it.
        let up_at = self.up_at.take();
        let status = exit_status(&ended);
        let asked = {
            let mut state = worker.locked();
            state.handles.retain(|(number, _)| *number != thread);
            state.running -= 1;
            if up_at.is_some() {
                state.note_down();
            }
            state.last_exit = Some(status);
            match state.life.is_stopping() {
                true => Asked::Stop,
                false if state.restarts > self.restarts => Asked::Restart,
                false => Asked::Nothing,
            }
        };
        let end = RunEnd {
            kind: Kind::Background,
            worker: name,
            scope: Some(scope),
            thread,
            run,
            asked,
            lasted: self.started.elapsed(),
            ready_for: up_at.map(|at| at.elapsed()),
            failures_max: worker.config.failures_max,
            readied_by: worker.readied_by(),
        };
        let follows = end.decide(ended, &mut self.failures, &mut self.pause);
        self.note(&follows);
        end.record(&follows, self.failures.count(), status, self.pause);
        match follows {
            Follows::Retry(_) => worker.changed.notify_all(),
            Follows::GiveUp(_) => self.give_up(),
            Follows::Stop | Follows::Restart | Follows::NextRun => {}
        }
    }

    fn slot(&self) -> Option<&Arc<Slot>> {
        Some(&self.publishes_to)
    }

    fn refuses(&self, bytes: usize) -> Option<String> {
        self.worker.term.as_ref().and_then(|term| term.refuses(bytes))
    }

    fn published(&mut self, version: Option<u64>) {
        self.worker.last_publish.note();
        match self.worker.term.is_some() {
            // Ready when the engine has accepted it.
            true => self.note_up(),
            false => {
                self.note_ready();
                if version.is_some() {
                    self.worker.feed(&*self.scope);
                }
            }
        }
    }

    fn listen(&mut self) -> io::Result<()> {
        // Under the lock, so that a stop either is seen here or finds the listener.
        let state = self.worker.locked();
        let ended = state.life.is_stopping() || state.restarts > self.restarts;
        self.worker.tasks.listen(self.key(), ended)
    }

    fn stream(&mut self) -> io::Result<OwnedFd> {
        self.worker.tasks.stream(self.key())
    }

    fn tick(&mut self) -> bool {
        self.note_ready();
        self.worker.tasks.tick(self.key())
    }

    fn receive(&mut self) -> Option<Arc<Task>> {
        let ended = {
            let state = self.worker.locked();
            state.life.is_stopping() || state.restarts > self.restarts
        };
        // Queued tasks wait for the next run, or were refused.
        if ended { None } else { self.worker.tasks.take(self.key()) }
    }

    fn handle(&mut self) -> io::Result<OwnedFd> {
        let Some(handle) = &self.handle else { return Err(io::Error::other("no script runs")) };
        let handle = handle.try_clone()?;
        if self.worker.config.ready == ReadyWhen::Handle {
            self.note_ready();
        } else {
            self.note_up();
        }
        Ok(handle)
    }

    fn should_end(&self) -> bool {
        let state = self.worker.locked();
        state.life.is_stopping() || state.restarts > self.restarts
    }

    fn output(&mut self, bytes: &[u8]) {
        let Background { name, scope, .. } = &*self.worker;
        let (thread, run) = (self.number, self.run);
        self.output.push(bytes, |line| tracing::info!(target: "php", worker = name, scope, thread, run, "{line}"));
    }

    fn log(&mut self, level: i32, message: &str) {
        let Background { name, scope, .. } = &*self.worker;
        let (thread, run) = (self.number, self.run);
        log_php!(level, message, worker = name, scope, thread, run);
    }
}

impl Drop for BackgroundWork {
    fn drop(&mut self) {
        self.leave();
    }
}
