//! One background worker: a name, a slot, and one or more PHP threads that run its script.
//!
//! States, all in [`State`] under one lock: *idle* (no thread), *running* (threads, not ready), *ready* (something has
//! been published; sticky), *given up* (no thread, the last failure kept), *stopping* (the server ends). Only the worker's
//! own threads move it from running to ready or given up; only `start` moves it to running, so any number of callers
//! start it once. Everybody who waits does so on `changed`. The lock is never held across a call into the engine.

use super::environment::{script_path, server_vars};
use super::messages::{self, LastFailure, Subject};
use super::supervise::{Failures, Next as After, RunEnd};
use super::waits::Waits;
use crate::exchange::{Exchange, Pairs};
use crate::php::{Ended, Failure, Mode, Next, Phase, Run, Scope, ScriptError, ThreadOptions, Wait, Work};
use crate::pool::{Crew, LineLog, log_php};
use crate::vars::Slot;
use std::ffi::CString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a block declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// The script: absolute.
    pub file: PathBuf,
    /// Threads that start with the server; 0: one thread on first demand.
    pub num: usize,
    /// Failures in a row after which it is given up; `None`: never.
    pub failures_max: Option<u32>,
    /// The script's environment.
    pub env: Vec<(String, String)>,
}

/// What the workers of a process share.
#[derive(Clone)]
pub struct Shared {
    /// How their threads are made.
    pub options: ThreadOptions,
    /// Who waits for whom.
    pub waits: Arc<Waits>,
    /// Set when the server stops: no worker starts any more, also none that a catch-all would make.
    pub stopping: Arc<AtomicBool>,
}

/// A background worker.
pub struct Background {
    name: String,
    scope: String,
    declaration: Declaration,
    slot: Arc<Slot>,
    waits: Arc<Waits>,
    server_stopping: Arc<AtomicBool>,
    crew: Crew,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Threads that have been started and have not left their loop.
    live: usize,
    ready: bool,
    stopping: bool,
    /// Failures in a row, for messages.
    attempts: u32,
    /// All failed runs so far: a waiter sees by it that one has failed since.
    failures: u64,
    /// How often it has been given up: the same.
    give_ups: u64,
    last_failure: Option<LastFailure>,
    runs: u64,
    /// The writing ends of the handles of the runs that go on, by thread.
    handles: Vec<(usize, OwnedFd)>,
}

/// What is to be seen of a worker from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// `idle`, `starting`, `ready`, `given up` or `stopping`.
    pub state: &'static str,
    /// PHP threads that run it.
    pub threads: usize,
    /// Runs of the script so far.
    pub runs: u64,
    /// Failures in a row.
    pub attempts: u32,
    /// Exit status of the last failed run.
    pub last_exit: Option<i32>,
    /// The last PHP error.
    pub last_error: Option<String>,
}

impl Background {
    /// A worker that does not run yet.
    pub fn new(name: &str, scope: &str, declaration: Declaration, shared: &Shared) -> Arc<Self> {
        let options = ThreadOptions { name: format!("bg-{name}"), ..shared.options.clone() };
        Arc::new(Self {
            name: name.to_owned(),
            scope: scope.to_owned(),
            declaration,
            slot: Slot::new(name.as_bytes()),
            waits: shared.waits.clone(),
            server_stopping: shared.stopping.clone(),
            crew: Crew::new(options),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The worker's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The label of the scope that declares it.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// Its declaration.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Where it publishes.
    pub fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// What is to be seen of it.
    pub fn status(&self) -> Status {
        let state = self.locked();
        let word = match &*state {
            State { stopping: true, .. } => "stopping",
            State { live: 0, give_ups: 1.., .. } => "given up",
            State { ready: true, .. } => "ready",
            State { live: 0, .. } => "idle",
            _ => "starting",
        };
        Status {
            state: word,
            threads: state.live,
            runs: state.runs,
            attempts: state.attempts,
            last_exit: state.last_failure.as_ref().map(|last| last.exit_status),
            last_error: state.last_failure.as_ref().and_then(|last| last.error.as_ref()).map(ToString::to_string),
        }
    }

    /// Starts the worker unless it runs; safe to call from many threads at once. `own_scope` is what its script sees.
    ///
    /// # Errors
    /// The server stops, or the system gave no thread.
    pub fn start(self: &Arc<Self>, own_scope: &Arc<dyn Scope>) -> Result<(), Failure> {
        let mut state = self.locked();
        if state.stopping || self.server_stopping.load(Ordering::Acquire) {
            return Err(messages::stopping(&self.name));
        }
        if state.live > 0 {
            return Ok(());
        }
        state.attempts = 0;
        state.last_failure = None;
        for _ in 0..self.declaration.num.max(1) {
            let hired = self.crew.hire(|number| Box::new(BackgroundWork::new(self.clone(), own_scope.clone(), number)));
            match hired {
                Ok(()) => state.live += 1,
                Err(error) if state.live == 0 => return Err(messages::no_thread(&self.name, &error)),
                Err(error) => tracing::error!(worker = self.name, "a pool has fewer threads than declared: {error}"),
            }
        }
        Ok(())
    }

    /// Tells the script to end: every handle reaches its end of file, every pause and wait ends.
    pub fn stop(&self) {
        let handles = {
            let mut state = self.locked();
            state.stopping = true;
            std::mem::take(&mut state.handles)
        };
        self.changed.notify_all();
        drop(handles);
    }

    /// The threads, to be awaited with [`leave`](crate::pool::leave).
    pub fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Waits until the worker is ready (see `frankenphp_require_background_worker()` for the rules of each phase). Must
    /// have been started, except in the phase `Callback`.
    ///
    /// # Errors
    /// Says why it is not ready.
    pub(super) fn wait(&self, wait: Wait, deadline: Option<Instant>, since: Since) -> Result<(), Failure> {
        let started = Instant::now();
        let mut state = self.locked();
        loop {
            if state.ready {
                return Ok(());
            }
            if state.stopping {
                return Err(messages::stopping(&self.name));
            }
            if let Some(last) = state.last_failure.as_ref() {
                if state.give_ups > since.give_ups {
                    return Err(messages::gave_up(self.subject(), state.attempts, last));
                }
                if wait.phase == Phase::Boot && state.failures > since.failures {
                    return Err(messages::boot_failed(self.subject(), state.attempts, last));
                }
            }
            if wait.phase == Phase::Callback && state.live == 0 {
                return Err(messages::not_running(self.subject()));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                let (attempts, last) = (state.attempts, state.last_failure.as_ref());
                return Err(messages::timed_out(self.subject(), started.elapsed().max(wait.timeout), attempts, last));
            }
            state = match left {
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// What has happened so far, to be taken before [`start`](Self::start): a waiter is told of what happens after.
    pub(super) fn since(&self) -> Since {
        let state = self.locked();
        Since { failures: state.failures, give_ups: state.give_ups }
    }

    /// Whether it has published something.
    pub(super) fn is_ready(&self) -> bool {
        self.locked().ready
    }

    pub(super) fn waits(&self) -> &Waits {
        &self.waits
    }

    pub(super) fn nothing_published(&self) -> Failure {
        let state = self.locked();
        match &state.last_failure {
            Some(last) if state.live == 0 && state.give_ups > 0 => {
                messages::gave_up(self.subject(), state.attempts, last)
            }
            _ => messages::nothing_published(self.subject(), state.live > 0),
        }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { name: &self.name, file: &self.declaration.file, scope: &self.scope }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain store, so a panic leaves nothing half-done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment in a worker's life.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    failures: u64,
    give_ups: u64,
}

/// One thread of a background worker.
struct BackgroundWork {
    worker: Arc<Background>,
    scope: Arc<dyn Scope>,
    number: usize,
    failures: Failures,
    /// The pause before the next run.
    pause: Duration,
    run: u64,
    started: Instant,
    ready_at: Option<Instant>,
    /// The reading end of the run's handle; each call of the script gets a duplicate.
    handle: Option<OwnedFd>,
    output: LineLog,
    left: bool,
}

impl BackgroundWork {
    fn new(worker: Arc<Background>, scope: Arc<dyn Scope>, number: usize) -> Self {
        Self {
            worker,
            scope,
            number,
            failures: Failures::default(),
            pause: Duration::ZERO,
            run: 0,
            started: Instant::now(),
            ready_at: None,
            handle: None,
            output: LineLog::default(),
            left: false,
        }
    }

    /// Waits for the pause; `false` when the worker is to stop.
    fn pause(&self) -> bool {
        let until = Instant::now() + self.pause;
        let mut state = self.worker.locked();
        loop {
            if state.stopping {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.worker.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn begin(&mut self) -> io::Result<Option<Run>> {
        let (reader, writer) = io::pipe()?;
        {
            let mut state = self.worker.locked();
            if state.stopping {
                return Ok(None);
            }
            state.runs += 1;
            self.run = state.runs;
            state.handles.push((self.number, writer.into()));
        }
        self.handle = Some(reader.into());
        self.started = Instant::now();
        self.ready_at = None;
        let Background { name, scope, declaration, .. } = &*self.worker;
        tracing::info!(worker = name, scope, thread = self.number, run = self.run, "background worker started");
        Ok(Some(Run {
            script: script_path(&declaration.file),
            argument: CString::new(name.as_str()).ok(),
            server_vars: server_vars(&declaration.file, name, name, &declaration.env),
            request_vars: Pairs::default(),
            scope: self.scope.clone(),
        }))
    }

    /// The thread leaves its loop.
    fn leave(&mut self) {
        if std::mem::replace(&mut self.left, true) {
            return;
        }
        self.worker.locked().live -= 1;
        self.worker.changed.notify_all();
    }

    /// The thread leaves its loop because of a failure that has been noted. The last thread of a pool gives the worker up;
    /// before that the others may still publish.
    fn give_up(&mut self) {
        self.left = true;
        let mut state = self.worker.locked();
        state.live -= 1;
        if state.live == 0 {
            state.give_ups += 1;
        }
        drop(state);
        self.worker.changed.notify_all();
    }

    fn note_failure(&mut self, ended: Ended) -> LastFailure {
        let exit_status = if ended.failed && ended.exit_status == 0 { 255 } else { ended.exit_status };
        let last = LastFailure { exit_status, error: ended.error };
        let mut state = self.worker.locked();
        state.failures += 1;
        state.attempts = self.failures.count();
        state.last_failure = Some(last.clone());
        last
    }
}

impl Work for BackgroundWork {
    fn mode(&self) -> Mode {
        Mode::Background
    }

    fn next(&mut self) -> Next {
        if !self.left && self.pause() {
            match self.begin() {
                Ok(Some(run)) => return Next::Run(run),
                Ok(None) => {}
                Err(error) => {
                    let Background { name, scope, .. } = &*self.worker;
                    tracing::error!(
                        worker = name,
                        scope,
                        thread = self.number,
                        "the worker is given up: making its handle: {error}"
                    );
                    let error = ScriptError {
                        level: "System error",
                        message: format!("making the worker's handle: {error}"),
                        ..ScriptError::default()
                    };
                    self.note_failure(Ended { exit_status: 255, failed: true, handled: false, error: Some(error) });
                    self.give_up();
                }
            }
        }
        self.leave();
        Next::Stop
    }

    fn next_job(&mut self) -> Option<Box<dyn Exchange>> {
        None
    }

    fn job_ended(&mut self) {}

    fn ended(&mut self, ended: Ended) {
        let worker = self.worker.clone();
        let (name, scope, thread, run) = (&worker.name, &worker.scope, self.number, self.run);
        self.output.flush(|line| tracing::info!(target: "php", worker = name, scope, thread, run, "{line}"));
        self.handle = None;
        let stopping = {
            let mut state = worker.locked();
            state.handles.retain(|(number, _)| *number != thread);
            state.stopping
        };
        if stopping {
            tracing::info!(
                worker = name,
                scope,
                thread,
                run,
                exit_status = ended.exit_status,
                "background worker stopped"
            );
            return;
        }
        let end = RunEnd {
            success: ended.exit_status == 0 && !ended.failed,
            ready_for: self.ready_at.map(|at| at.elapsed()),
            lasted: self.started.elapsed(),
        };
        match self.failures.decide(end, worker.declaration.failures_max) {
            After::Restart { pause } => {
                self.pause = pause;
                worker.locked().attempts = 0;
                tracing::info!(
                    worker = name,
                    scope,
                    thread,
                    run,
                    exit_status = 0,
                    "background worker ended, restarting it"
                );
            }
            After::Retry { pause } => {
                self.pause = pause;
                let last = self.note_failure(ended);
                tracing::warn!(
                    worker = name,
                    scope,
                    thread,
                    run,
                    attempt = self.failures.count(),
                    exit_status = last.exit_status,
                    pause_ms = pause.as_millis() as u64,
                    "background worker failed, restarting it: {}",
                    messages::failed(self.failures.count(), &last)
                );
                worker.changed.notify_all();
            }
            After::GiveUp => {
                let last = self.note_failure(ended);
                tracing::error!(
                    worker = name,
                    scope,
                    thread,
                    run,
                    attempt = self.failures.count(),
                    exit_status = last.exit_status,
                    "background worker given up: {}",
                    messages::failed(self.failures.count(), &last)
                );
                self.give_up();
            }
        }
    }

    fn slot(&self) -> Option<Arc<Slot>> {
        Some(self.worker.slot.clone())
    }

    fn published(&mut self, _version: Option<u64>) {
        if self.ready_at.is_some() {
            return;
        }
        self.ready_at = Some(Instant::now());
        let Background { name, scope, .. } = &*self.worker;
        self.worker.locked().ready = true;
        self.worker.changed.notify_all();
        tracing::info!(worker = name, scope, thread = self.number, run = self.run, "background worker ready");
    }

    fn handle(&mut self) -> io::Result<OwnedFd> {
        match &self.handle {
            Some(handle) => handle.try_clone(),
            None => Err(io::Error::other("no script runs")),
        }
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
