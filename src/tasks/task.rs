//! One task, with its two ends.
//!
//! Phases: *queued*, *running* (a thread has taken it), and three ends: *completed* and *aborted* by the receiver's
//! side, *abandoned* by the sender's. The first end wins. The receiver closes its side in every case (`close`), which
//! is when the task stops counting as running.

use super::parcel::Parcel;
use super::signal::Signal;
use super::wait::{Interruption, WaitGraph};
use super::worker::TaskWorker;
use crate::limits::TASK_UPDATES_MAX;
use crate::sync::{self, Condvar, Mutex, MutexGuard};
use crate::traces::{Span, TraceContext};
use crate::vars::{Snapshot, retire};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

/// A queued or running task.
pub struct Task {
    payload: sync::Arc<Snapshot>,
    /// The worker that the task was sent to.
    worker: Arc<TaskWorker>,
    /// The worker that has sent it, if a worker has.
    sender: Option<Arc<TaskWorker>>,
    graph: Arc<dyn WaitGraph>,
    sent_at: Instant,
    /// Its span, if it has one.
    trace: Option<TraceContext>,
    /// Protects the state; every change of it is announced by `changed`.
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    updates: VecDeque<sync::Arc<Snapshot>>,
    /// What the sender selects on.
    to_sender: Option<Signal>,
    /// What the receiver selects on.
    to_receiver: Option<Signal>,
    taken_at: Option<Instant>,
    is_closed: bool,
    /// Until the task is over.
    span: Option<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Queued,
    Running,
    Completed,
    Aborted(String),
    Abandoned,
}

/// What a sender reads.
pub enum Read {
    /// The next update.
    Update(sync::Arc<Snapshot>),
    /// The task is complete, and all updates have been read.
    Complete,
    /// The reason why the receiver's side ended without completing it.
    Aborted(String),
    /// The sender has abandoned it.
    Abandoned,
    /// Nothing came in time.
    TimedOut,
    /// The reading script should end.
    Cut,
    /// The workers along a circle of waits.
    Circle(Vec<String>),
}

/// Why an update was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum UpdateError {
    /// The task has been completed or aborted.
    Over,
    /// The sender has abandoned it.
    Abandoned,
    /// The updating script should end.
    Cut,
    /// The workers along a circle of waits.
    Circle(Vec<String>),
}

/// The result of the wait for a thread.
pub(super) enum Taken {
    Yes,
    Aborted(String),
    TimedOut,
    Cut,
}

impl Task {
    pub(super) fn new(
        Parcel { payload, span }: Parcel,
        worker: Arc<TaskWorker>,
        sender: Option<Arc<TaskWorker>>,
        graph: Arc<dyn WaitGraph>,
    ) -> Arc<Self> {
        let trace = span.as_ref().map(Span::context);
        let state = State {
            phase: Phase::Queued,
            updates: VecDeque::new(),
            to_sender: None,
            to_receiver: None,
            taken_at: None,
            is_closed: false,
            span,
        };
        Arc::new(Self {
            payload: sync::Arc::new(payload),
            worker,
            sender,
            graph,
            sent_at: Instant::now(),
            trace,
            state: Mutex::new(state),
            changed: Condvar::new(),
        })
    }

    /// The array that the sender has passed.
    pub fn payload(&self) -> &sync::Arc<Snapshot> {
        &self.payload
    }

    /// Its span, if it has one.
    pub fn trace(&self) -> Option<TraceContext> {
        self.trace
    }

    /// The worker that it was sent to.
    pub fn worker(&self) -> &Arc<TaskWorker> {
        &self.worker
    }

    /// How long ago it was sent.
    pub(super) fn age(&self) -> Duration {
        self.sent_at.elapsed()
    }

    // ---- The sender's side ----

    /// Waits until a thread has taken it.
    pub(super) fn wait_taken(self: &Arc<Self>, deadline: Option<Instant>, interruption: &dyn Interruption) -> Taken {
        let end = self.wait(deadline, interruption, |state| match &state.phase {
            Phase::Queued => None,
            Phase::Aborted(reason) if state.taken_at.is_none() => Some(Taken::Aborted(reason.clone())),
            _ => Some(Taken::Yes),
        });
        match end {
            Ok(taken) => taken,
            Err(Stopped::TimedOut) => Taken::TimedOut,
            Err(Stopped::Cut) => Taken::Cut,
        }
    }

    /// The next update; waits for it, for `timeout` at most.
    pub fn read(self: &Arc<Self>, timeout: Option<Duration>, interruption: &dyn Interruption) -> Read {
        if let Some(read) = self.look(&mut self.locked()) {
            return read;
        }
        if let Some(sender) = &self.sender
            && let Err(circle) = self.graph.enter(sender, &self.worker)
        {
            return Read::Circle(circle);
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let read = self.wait(deadline, interruption, |state| self.look(state));
        if let Some(sender) = &self.sender {
            self.graph.leave(sender, &self.worker);
        }
        match read {
            Ok(read) => read,
            Err(Stopped::TimedOut) => Read::TimedOut,
            Err(Stopped::Cut) => Read::Cut,
        }
    }

    fn look(&self, state: &mut State) -> Option<Read> {
        if state.phase == Phase::Abandoned {
            return Some(Read::Abandoned);
        }
        if let Some(update) = state.updates.pop_front() {
            state.signal_sender();
            self.changed.notify_all();
            return Some(Read::Update(update));
        }
        match &state.phase {
            Phase::Completed => Some(Read::Complete),
            Phase::Aborted(reason) => Some(Read::Aborted(reason.clone())),
            _ => None,
        }
    }

    /// The sender abandons it. `false`: it is over already.
    pub fn abandon(&self) -> bool {
        let mut state = self.locked();
        if !matches!(state.phase, Phase::Queued | Phase::Running) {
            if state.phase != Phase::Abandoned {
                let left = std::mem::take(&mut state.updates);
                state.phase = Phase::Abandoned;
                state.signal_sender();
                drop(state);
                left.into_iter().for_each(retire);
            }
            return false;
        }
        self.end(state, Phase::Abandoned);
        self.worker.counters().abandoned();
        true
    }

    /// What the sender selects on: readable while there is an update, at its end when the task is over.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn sender_stream(&self) -> io::Result<OwnedFd> {
        let mut state = self.locked();
        if state.to_sender.is_none() {
            state.to_sender = Some(Signal::new()?);
            state.signal_sender();
        }
        state.to_sender.as_ref().map_or_else(|| Err(io::Error::other("no stream")), Signal::descriptor)
    }

    // ---- The receiver's side ----

    /// A thread has taken it. `false`: it is over already.
    pub(super) fn take(&self) -> bool {
        let mut state = self.locked();
        if state.phase != Phase::Queued {
            return false;
        }
        state.phase = Phase::Running;
        state.taken_at = Some(Instant::now());
        if let Some(span) = &mut state.span {
            span.set("igor.task.waited_ms", i64::try_from(self.age().as_millis()).unwrap_or(i64::MAX));
        }
        drop(state);
        self.changed.notify_all();
        true
    }

    /// Sends an update; waits while the maximum of unread updates is reached.
    ///
    /// # Errors Why it was not taken.
    pub fn update(self: &Arc<Self>, update: Snapshot, interruption: &dyn Interruption) -> Result<(), UpdateError> {
        let mut update = Some(sync::Arc::new(update));
        if let Some(result) = self.put(&mut self.locked(), &mut update) {
            return result;
        }
        if let Some(sender) = &self.sender {
            self.graph.enter(&self.worker, sender).map_err(UpdateError::Circle)?;
        }
        let put = self.wait(None, interruption, |state| self.put(state, &mut update));
        if let Some(sender) = &self.sender {
            self.graph.leave(&self.worker, sender);
        }
        put.unwrap_or(Err(UpdateError::Cut))
    }

    fn put(&self, state: &mut State, update: &mut Option<sync::Arc<Snapshot>>) -> Option<Result<(), UpdateError>> {
        match state.phase {
            Phase::Running => {}
            Phase::Abandoned => return Some(Err(UpdateError::Abandoned)),
            _ => return Some(Err(UpdateError::Over)),
        }
        if state.updates.len() >= TASK_UPDATES_MAX {
            return None;
        }
        state.updates.extend(update.take());
        state.signal_sender();
        self.changed.notify_all();
        Some(Ok(()))
    }

    /// Completes it, with a last update after the waiting ones. Without an update, a completed task may be completed
    /// again.
    ///
    /// # Errors It has ended, so the result was not taken.
    pub fn complete(&self, result: Option<Snapshot>) -> Result<(), UpdateError> {
        let mut state = self.locked();
        if state.phase != Phase::Running {
            let error = if state.phase == Phase::Abandoned { UpdateError::Abandoned } else { UpdateError::Over };
            drop(state);
            self.close();
            return if result.is_some() { Err(error) } else { Ok(()) };
        }
        state.updates.extend(result.map(sync::Arc::new));
        self.end(state, Phase::Completed);
        self.worker.counters().completed();
        self.close();
        Ok(())
    }

    /// Ends it without a result. `false`: it is over already.
    pub fn abort(&self, reason: &str) -> bool {
        let state = self.locked();
        let is_open = matches!(state.phase, Phase::Queued | Phase::Running);
        if is_open {
            self.end(state, Phase::Aborted(reason.to_owned()));
            self.worker.counters().aborted();
        } else {
            drop(state);
        }
        self.close();
        is_open
    }

    /// What the receiver selects on: at its end when the sender has abandoned the task, or the task is over.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn receiver_stream(&self) -> io::Result<OwnedFd> {
        let mut state = self.locked();
        let is_over = state.phase != Phase::Running;
        let signal = match &mut state.to_receiver {
            Some(signal) => signal,
            none => none.insert(Signal::new()?),
        };
        if is_over {
            signal.hang_up();
        }
        signal.descriptor()
    }

    // ---- Both ----

    /// Ends the task and lets both sides know.
    fn end(&self, mut state: MutexGuard<'_, State>, phase: Phase) {
        let left = if phase == Phase::Abandoned { std::mem::take(&mut state.updates) } else { VecDeque::new() };
        let span = state.span.take();
        let (word, is_aborted) = (phase.word(), matches!(phase, Phase::Aborted(_)));
        state.phase = phase;
        state.signal_sender();
        if let Some(signal) = &mut state.to_receiver {
            signal.hang_up();
        }
        drop(state);
        self.changed.notify_all();
        left.into_iter().for_each(retire);
        if let Some(mut span) = span {
            span.set("igor.task.end", word);
            if is_aborted {
                // The reason may quote the message of an exception, which the log has.
                span.fail("the worker has not completed the task");
            }
        }
    }

    /// The receiver has finished its part.
    fn close(&self) {
        let mut state = self.locked();
        let took = state.taken_at.filter(|_| !std::mem::replace(&mut state.is_closed, true)).map(|at| at.elapsed());
        drop(state);
        if let Some(took) = took {
            self.worker.counters().closed(took);
        }
    }

    /// Waits until `look` finds something.
    fn wait<T>(
        self: &Arc<Self>,
        deadline: Option<Instant>,
        interruption: &dyn Interruption,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Result<T, Stopped> {
        let _sleeper = interruption.sleeper(Waker::from(Arc::new(Bell(self.clone()))));
        let mut state = self.locked();
        loop {
            if let Some(found) = look(&mut state) {
                return Ok(found);
            }
            if interruption.is_cut() {
                return Err(Stopped::Cut);
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Stopped::TimedOut);
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain store, so a panic leaves a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Phase {
    fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Aborted(_) => "aborted",
            Self::Abandoned => "abandoned",
        }
    }
}

impl State {
    /// Makes the sender's stream readable if there is something to read.
    fn signal_sender(&mut self) {
        let Some(signal) = &mut self.to_sender else { return };
        if !self.updates.is_empty() {
            signal.raise();
        } else if matches!(self.phase, Phase::Queued | Phase::Running) {
            signal.lower();
        } else {
            signal.hang_up();
        }
    }
}

enum Stopped {
    TimedOut,
    Cut,
}

/// Wakes the thread that waits for a task, so that it checks whether its wait was cut off.
struct Bell(Arc<Task>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Under the lock no thread is between a check and the sleep after it.
        drop(self.0.locked());
        self.0.changed.notify_all();
    }
}
