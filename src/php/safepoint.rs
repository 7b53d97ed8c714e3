//! Brings every PHP thread of the process to the boundary between two PHP requests, so that opcache can be restarted.
//!
//! A thread calls [`Safepoint::enter`] before each PHP request and [`Safepoint::leave`] after it. The phases, which
//! only the functions here change, and only under the lock:
//!
//! * *open*: every thread enters;
//! * *request*: the same, and the coordinator knows it;
//! * *ending runs*: long-running scripts (workers) should end, and wait before their next run; requests continue;
//! * *ending all*: no thread enters. Once no thread is inside, one thread enters alone, and opcache restarts while that
//!   request starts;
//! * *given up*: some thread did not leave. All threads enter, and the drain restarts when it has left.
//!
//! Entering and leaving costs two stores and two loads on memory that is otherwise only read. A thread first marks
//! itself as inside and then reads the phase; the coordinator first sets the phase and then checks which threads are
//! inside. All four are sequentially consistent, so at least one of the two sees the other (Dekker): no thread is
//! inside unseen. A thread that finds the gate closed removes its mark, under the lock.
//!
//! An error here cannot make a restart unsafe: `c/opcache.c` lets opcache restart only for a thread that is
//! alone.

mod restart;

pub(super) use restart::{Reason, Started};
pub use restart::{RestartRequest, Restarts};

use super::deadline::{Deadline, Step};
use super::interrupt::{Interrupt, KillReason};
use super::mode::Mode;
use crate::exchange::Cancellation;
use crate::limits::OPCACHE_RESTART_INTERVAL_MS_MIN;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Every thread enters.
const OPEN: u8 = 0;
/// The same; a restart is wanted, and the coordinator has not begun it.
const WANTED: u8 = 1;
/// Runs of workers end, and none starts. Classic requests still enter.
const ENDING_RUNS: u8 = 2;
/// No thread enters, until one may enter alone.
const ENDING_ALL: u8 = 3;
/// Every thread enters, because a script did not end. The drain starts again when it has.
const GIVEN_UP: u8 = 4;

/// Stops the PHP threads of the process between two PHP requests.
pub struct Safepoint {
    /// Shortest time between two restarts.
    interval: Duration,
    /// One of the constants above. Written under the lock; `SeqCst`, see the head of this file.
    phase: AtomicU8,
    /// In a drain: the scripts of workers have been asked to end. Written under the lock.
    told: AtomicBool,
    /// Protects the rest. Never held across a call into the engine. Code that holds a lock that a PHP thread waits with
    /// must not take it, because the thread is woken under it.
    state: Mutex<State>,
    /// Notified at every change of the phase, and at every leave while the gate is not open.
    changed: Condvar,
}

/// The part of the safepoint that is under the lock.
struct State {
    /// Every PHP thread, running or not.
    members: Vec<Arc<Member>>,
    /// A coordinator carries drains out. Without one the gate stays open.
    coordinated: bool,
    /// The server stops: no restart happens any more.
    stopped: bool,
    /// The wanted restart; `None`: opcache need not be restarted.
    request: Option<RestartRequest>,
    /// A thread has entered alone and has not started yet.
    alone: bool,
    /// Why the current drain failed: the threads that must leave before the next one.
    stuck: Vec<Arc<Member>>,
    /// The earliest time of the next restart; `None`: opcache was not restarted yet.
    not_before: Option<Instant>,
    restarts: Restarts,
}

/// One PHP thread, as the safepoint sees it.
pub(super) struct Member {
    name: String,
    /// Runs of workers are ended first, because they may take long.
    mode: Mode,
    interrupt: Arc<Interrupt>,
    /// Between its `enter` and its `leave`. Written by its thread only; `SeqCst`, see the head of this file.
    inside: AtomicBool,
}

/// How a thread enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Beside the others.
    Beside,
    /// No other thread is inside until it calls [`Safepoint::entered`].
    Alone {
        /// opcache must be asked to restart.
        reset: bool,
    },
}

/// The threads that a step of a drain concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainStep {
    /// The threads that run worker scripts.
    Runs,
    /// All.
    All,
}

static PROCESS: Safepoint = Safepoint::new(Duration::from_millis(OPCACHE_RESTART_INTERVAL_MS_MIN));

/// The safepoint of the process: opcache's memory is the process's too.
pub fn safepoint() -> &'static Safepoint {
    &PROCESS
}

impl Safepoint {
    const fn new(interval: Duration) -> Self {
        Self {
            interval,
            phase: AtomicU8::new(OPEN),
            told: AtomicBool::new(false),
            state: Mutex::new(State {
                members: Vec::new(),
                coordinated: false,
                stopped: false,
                request: None,
                alone: false,
                stuck: Vec::new(),
                not_before: None,
                restarts: Restarts { reset: 0, full: 0, given_up: 0 },
            }),
            changed: Condvar::new(),
        }
    }

    // ---- A PHP thread's side ----

    /// Adds the calling thread. It starts outside.
    pub(super) fn join(&self, mode: Mode, interrupt: &Arc<Interrupt>) -> Arc<Member> {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        let member = Arc::new(Member { name, mode, interrupt: interrupt.clone(), inside: AtomicBool::new(false) });
        self.locked().members.push(member.clone());
        member
    }

    /// Removes a thread that ends. It may have been the last one that others waited for.
    pub(super) fn resign(&self, member: &Arc<Member>) {
        self.leave(member);
        self.locked().members.retain(|other| !Arc::ptr_eq(other, member));
    }

    /// Blocks while the gate is closed to this thread.
    pub(super) fn enter(&self, member: &Member) -> Admission {
        member.inside.store(true, Ordering::SeqCst);
        if admits(self.phase.load(Ordering::SeqCst), member.mode) {
            return Admission::Beside;
        }
        let mut state = self.locked();
        member.inside.store(false, Ordering::SeqCst);
        self.changed.notify_all();
        loop {
            let phase = self.phase.load(Ordering::SeqCst);
            if admits(phase, member.mode) {
                member.inside.store(true, Ordering::SeqCst);
                return Admission::Beside;
            }
            if phase == ENDING_ALL && !state.alone && !state.anybody_inside(DrainStep::All) {
                member.inside.store(true, Ordering::SeqCst);
                state.alone = true;
                return Admission::Alone { reset: state.request.as_ref().is_some_and(|request| request.reset) };
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The PHP request of this thread has started.
    pub(super) fn entered(&self, member: &Member, admission: Admission, started: Started) {
        if admission == Admission::Beside {
            if started == Started::Refused {
                self.full(member, Reason::Full);
            }
            return;
        }
        let mut state = self.locked();
        state.alone = false;
        state.not_before = Some(Instant::now() + self.interval);
        let request = state.request.take();
        if started == Started::Restarted {
            match request.as_ref().map(|request| request.reason) {
                Some(Reason::Reset) => state.restarts.reset += 1,
                _ => state.restarts.full += 1,
            }
        }
        self.set_phase(&state, OPEN);
        drop(state);
        if let Some(request) = request {
            request.log(started);
        }
    }

    /// The PHP request of this thread is over.
    pub(super) fn leave(&self, member: &Member) {
        member.inside.store(false, Ordering::SeqCst);
        if !matches!(self.phase.load(Ordering::SeqCst), OPEN | WANTED) {
            // Under the lock, so that no thread is between its check and its wait.
            let _state = self.locked();
            self.changed.notify_all();
        }
    }

    /// Whether this thread's script must end before any worker starts, so that its wait for a worker cannot end. Only
    /// true after the workers were asked to end, so that it does not make their scripts fail.
    pub(super) fn holds_back(&self, member: &Member) -> bool {
        !admits(self.phase.load(Ordering::SeqCst), member.mode) && self.told.load(Ordering::SeqCst)
    }

    /// Takes note of `opcache_reset()`. `false`: nothing can carry it out.
    pub(super) fn reset(&self, member: &Member, place: &str) -> bool {
        let mut state = self.locked();
        if !state.coordinated {
            return false;
        }
        self.want(&mut state, Reason::Reset, || format!("{} at {place}", member.name));
        true
    }

    /// Records a restart that opcache has scheduled.
    pub(super) fn full(&self, member: &Member, reason: Reason) {
        let mut state = self.locked();
        if state.coordinated {
            self.want(&mut state, reason, || member.name.clone());
        }
    }

    /// Notes a restart that is wanted, or counts it if one is wanted already.
    fn want(&self, state: &mut State, reason: Reason, by: impl FnOnce() -> String) {
        let reset = reason == Reason::Reset;
        match &mut state.request {
            Some(request) => {
                request.asked += 1;
                request.reset |= reset;
            }
            None => state.request = Some(RestartRequest { reason, reset, by: by(), since: Instant::now(), asked: 1 }),
        }
        if self.phase.load(Ordering::SeqCst) == OPEN {
            self.set_phase(state, WANTED);
        }
    }

    // ---- The coordinator's side ----

    /// From now on restarts are carried out: a coordinator calls [`next_request`](Self::next_request).
    pub fn coordinate(&self) {
        let mut state = self.locked();
        state.coordinated = true;
        state.stopped = false;
    }

    /// Opens the gate permanently: the server stops, and every thread must be able to end. Ends the coordinator.
    pub fn stop(&self) {
        let mut state = self.locked();
        state.stopped = true;
        state.coordinated = false;
        state.request = None;
        state.stuck.clear();
        self.set_phase(&state, OPEN);
    }

    /// Blocks until a restart is due, closes the gate to worker scripts, and returns the reason. `None`: the server
    /// stops.
    pub fn next_request(&self) -> Option<RestartRequest> {
        let mut state = self.locked();
        loop {
            if state.stopped {
                return None;
            }
            state.stuck.retain(|member| member.inside.load(Ordering::SeqCst));
            let pause = state.not_before.map(|at| at.saturating_duration_since(Instant::now())).unwrap_or_default();
            let phase = self.phase.load(Ordering::SeqCst);
            let due = matches!(phase, WANTED | GIVEN_UP) && state.stuck.is_empty();
            match state.request.clone() {
                Some(request) if due && pause.is_zero() => {
                    self.set_phase(&state, ENDING_RUNS);
                    return Some(request);
                }
                Some(_) if due => {
                    state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits until these threads have left; the scripts of workers have been asked to end. They may leave on their own
    /// until `grace`; then they are interrupted repeatedly, at most for `kill`. Returns the names and places of those
    /// that have not left. Ends at once when the server stops.
    pub fn await_left(&self, which: DrainStep, grace: Instant, kill: Duration) -> Vec<(String, Option<String>)> {
        let mut state = self.locked();
        let (mut deadline, mut interrupted) = (Deadline::new(grace, kill), false);
        if matches!(self.phase.load(Ordering::SeqCst), ENDING_RUNS | ENDING_ALL)
            && !self.told.swap(true, Ordering::SeqCst)
        {
            state.wake();
        }
        loop {
            // Once all threads have left, the first to enter opens the gate again, and the threads inside no longer
            // matter.
            let draining = matches!(self.phase.load(Ordering::SeqCst), ENDING_RUNS | ENDING_ALL);
            if !draining || state.alone || !state.anybody_inside(which) {
                return Vec::new();
            }
            let wait = match deadline.step() {
                Step::GiveUp => {
                    return state.inside(which).map(|member| (member.name.clone(), member.interrupt.place())).collect();
                }
                Step::Wait(wait) => wait,
                Step::Interrupt => {
                    state.interrupt(which, !std::mem::replace(&mut interrupted, true));
                    continue;
                }
            };
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Closes the gate to every thread.
    pub fn close(&self) {
        let state = self.locked();
        if self.phase.load(Ordering::SeqCst) == ENDING_RUNS {
            self.set_phase(&state, ENDING_ALL);
        }
    }

    /// Opens the gate without a restart: some threads do not leave. The drain is repeated when they have.
    pub fn give_up(&self) {
        let mut state = self.locked();
        let draining = matches!(self.phase.load(Ordering::SeqCst), ENDING_RUNS | ENDING_ALL);
        if !draining || state.alone {
            return;
        }
        state.stuck = state.inside(DrainStep::All).cloned().collect();
        state.restarts.given_up += 1;
        self.set_phase(&state, GIVEN_UP);
    }

    /// The number of opcache restarts.
    pub fn restarts(&self) -> Restarts {
        self.locked().restarts
    }

    /// Takes the state by reference, which proves that the lock is held.
    fn set_phase(&self, state: &State, phase: u8) {
        self.phase.store(phase, Ordering::SeqCst);
        self.changed.notify_all();
        match phase {
            ENDING_ALL => state.wake(),
            ENDING_RUNS => {}
            _ => self.told.store(false, Ordering::SeqCst),
        }
    }

    /// Every change under the lock is complete before anything can panic, so the lock's poison is ignored.
    fn locked(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a plain store, so a panic leaves a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a thread of this kind enters in this phase beside others.
fn admits(phase: u8, mode: Mode) -> bool {
    match phase {
        ENDING_RUNS => mode == Mode::Classic,
        ENDING_ALL => false,
        _ => true,
    }
}

impl Member {
    /// What ends the waits of the thread.
    pub(super) fn waits(&self) -> &Cancellation {
        self.interrupt.waits()
    }
}

impl State {
    /// Makes the threads that wait for a worker check whether the drain holds it back.
    fn wake(&self) {
        self.members.iter().for_each(|member| member.waits().wake());
    }

    /// Interrupts the scripts that a step concerns; logs them the first time.
    fn interrupt(&self, which: DrainStep, first: bool) {
        for member in self.inside(which) {
            if first {
                tracing::warn!(
                    thread = member.name,
                    "interrupting a script that did not end in its grace period, to restart opcache"
                );
            }
            if let Some(generation) = member.interrupt.generation() {
                member.interrupt.kill(generation, KillReason::Grace);
            }
        }
    }

    /// The threads that this step of the drain waits for. Reads with `SeqCst`, see the head of this file.
    fn inside(&self, which: DrainStep) -> impl Iterator<Item = &Arc<Member>> {
        let concerns = move |member: &&Arc<Member>| which == DrainStep::All || member.mode != Mode::Classic;
        self.members.iter().filter(concerns).filter(|member| member.inside.load(Ordering::SeqCst))
    }

    fn anybody_inside(&self, which: DrainStep) -> bool {
        self.inside(which).next().is_some()
    }
}

#[cfg(test)]
mod tests;
