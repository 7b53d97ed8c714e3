//! The waits for a background worker: until it is ready, and until its threads have ended.

use super::{Background, State};
use crate::php::{Failure, Phase, Wait};
use crate::worker::messages;
use crate::worker::waits::Waits;
use std::sync::{Arc, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

impl Background {
    /// Waits until the worker is ready (see `frankenphp_require_background_worker()` for the rules of each phase). Must
    /// have been started, except in the phase `Callback`.
    ///
    /// # Errors
    /// Says why it is not ready.
    pub(in crate::worker) fn wait(
        self: &Arc<Self>,
        wait: Wait<'_>,
        deadline: Option<Instant>,
        since: Since,
    ) -> Result<(), Failure> {
        let started = Instant::now();
        let _sleeper = wait.cutoff.sleeper(Waker::from(Arc::new(Bell(self.clone()))));
        let mut state = self.locked();
        let ticket = state.waiters.enter();
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timed_out = || {
                if let Some(term) = self.term.as_ref().filter(|_| state.last_failure.is_none()) {
                    let waited = started.elapsed().max(wait.timeout);
                    return Err(messages::nothing_arrived(self.subject(), waited, &term.state.why_empty()));
                }
                let (attempts, last) = (state.attempts, state.last_failure.as_ref());
                let waited = started.elapsed().max(wait.timeout);
                Err(messages::timed_out(self.subject(), waited, attempts, last))
            };
            let is_over = left.is_some_and(|left| left.is_zero());
            let cut = || wait.cutoff.look().map(|cut| Err(messages::cut_off(&self.name, cut)));
            let outcome = self.verdict(&state, wait.phase, since).or_else(cut);
            if let Some(outcome) = outcome.or_else(|| is_over.then(timed_out)) {
                state.waiters.leave(ticket);
                return outcome;
            }
            state = match left {
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// How a wait ends in this state; `None`: it continues.
    fn verdict(&self, state: &State, phase: Phase, since: Since) -> Option<Result<(), Failure>> {
        if state.life.was_ready() {
            return Some(Ok(()));
        }
        if state.life.is_stopping() {
            return Some(Err(self.stopped(state)));
        }
        if let Some(last) = state.last_failure.as_ref() {
            if state.give_ups > since.give_ups {
                return Some(Err(messages::gave_up(self.subject(), state.attempts, last)));
            }
            if phase == Phase::Boot && state.failures > since.failures {
                return Some(Err(messages::boot_failed(self.subject(), state.attempts, last)));
            }
        }
        (phase == Phase::Callback && state.live == 0 && self.may_run())
            .then(|| Err(self.given_up(state).unwrap_or_else(|| messages::not_running(self.subject()))))
    }

    /// What has happened so far. Taken before [`start`](Self::start), so that a waiter sees what happens after it.
    pub(in crate::worker) fn since(&self) -> Since {
        let state = self.locked();
        Since { failures: state.failures, give_ups: state.give_ups }
    }

    /// Whether it has published something.
    pub(in crate::worker) fn is_ready(&self) -> bool {
        self.locked().life.was_ready()
    }

    pub(in crate::worker) fn waits(&self) -> &Arc<Waits> {
        &self.waits
    }

    /// Waits until no thread is left, for `limit` at most; `false`: one is.
    pub(super) fn await_left(&self, limit: Duration) -> bool {
        let state = self.locked();
        let left = self.changed.wait_timeout_while(state, limit, |state| state.live > 0);
        left.unwrap_or_else(PoisonError::into_inner).0.live == 0
    }
}

/// Wakes the threads that wait for the worker, so that they check whether their waits were cut off.
struct Bell(Arc<Background>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Under the lock no one is between a look and the sleep after it.
        drop(self.0.locked());
        self.0.changed.notify_all();
    }
}

/// A moment in a worker's life.
#[derive(Debug, Clone, Copy)]
pub(in crate::worker) struct Since {
    /// Failed runs until then.
    failures: u64,
    /// How often it had been given up until then.
    give_ups: u64,
}
