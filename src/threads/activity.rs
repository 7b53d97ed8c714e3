//! The activity of each PHP thread, for operators.

use crate::exchange::RequestHead;
use crate::limits::SHOWN_URI_BYTES_MAX;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The activities of a PHP thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadState {
    /// It was started, and has not waited for work yet.
    Starting,
    /// It waits for a request.
    Idle,
    /// It serves a request.
    Busy,
    /// It runs a worker's script, outside of every request.
    Running,
    /// It waits before the next run of a worker's script.
    Pausing,
}

impl ThreadState {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Running => "running",
            Self::Pausing => "pausing",
        }
    }
}

/// Shared by a PHP thread, which writes it, and its readers. The writer is almost the only user of the lock.
#[derive(Default)]
pub struct Activity {
    /// Protects the state of one moment; held for the copy of a short text at most.
    now: Mutex<Now>,
}

/// What a thread does now; its lock protects it.
struct Now {
    state: ThreadState,
    /// When the state began.
    since: Instant,
    /// The number of the run of a worker's script; 0: there is none.
    run: u64,
    /// How many requests the thread has served since it started.
    requests: u64,
    /// Kept between requests, so that a request allocates nothing for it.
    method: Vec<u8>,
    /// Kept in the same way, and cut to `SHOWN_URI_BYTES_MAX`.
    uri: Vec<u8>,
}

impl Default for Now {
    fn default() -> Self {
        let (state, since) = (ThreadState::Starting, Instant::now());
        Self { state, since, run: 0, requests: 0, method: Vec::new(), uri: Vec::new() }
    }
}

/// The activity of a thread at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityStatus {
    /// What it does.
    pub state: ThreadState,
    /// For how long.
    pub since: Duration,
    /// The number of the run of its worker's script; 0 for none.
    pub run: u64,
    /// Requests that it has begun.
    pub requests: u64,
    /// The method of the current request; empty if there is none.
    pub method: String,
    /// Path and query of the current request, cut at [`SHOWN_URI_BYTES_MAX`]; empty when there is none.
    pub uri: String,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Activity {
    /// The thread starts to wait for a request.
    pub fn idle(&self) {
        self.change(ThreadState::Idle, |_| ());
    }

    /// The thread begins a request.
    pub fn busy(&self, head: &RequestHead) {
        self.change(ThreadState::Busy, |now| {
            now.requests += 1;
            now.method.extend_from_slice(head.method.as_bytes());
            let uri = head.uri.as_bytes();
            now.uri.extend_from_slice(&uri[..uri.len().min(SHOWN_URI_BYTES_MAX)]);
        });
    }

    /// The thread runs a worker's script, outside of every request. Returns how long the previous activity took.
    pub fn running(&self, run: u64) -> Duration {
        self.change(ThreadState::Running, |now| now.run = run)
    }

    /// The thread waits before the next run.
    pub fn pausing(&self) {
        self.change(ThreadState::Pausing, |_| ());
    }

    /// What the thread does now.
    pub fn status(&self) -> ActivityStatus {
        let now = self.now();
        ActivityStatus {
            state: now.state,
            since: now.since.elapsed(),
            run: now.run,
            requests: now.requests,
            method: text(&now.method),
            uri: text(&now.uri),
        }
    }

    /// Sets the state and what belongs to it. Returns how long the one before has lasted.
    fn change(&self, state: ThreadState, change: impl FnOnce(&mut Now)) -> Duration {
        let at = Instant::now();
        let mut now = self.now();
        let before = at - now.since;
        now.state = state;
        now.since = at;
        now.method.clear();
        now.uri.clear();
        change(&mut now);
        before
    }

    /// Held for a few stores only, because every request takes it.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_while_it_runs_and_cut_to_size() {
        let activity = Activity::default();
        assert_eq!(activity.status().state.word(), "starting");
        let uri = format!("/{}", "x".repeat(SHOWN_URI_BYTES_MAX));
        let head = RequestHead {
            method: c"GET".to_owned(),
            uri: std::ffi::CString::new(uri).expect("no NUL"),
            ..RequestHead::default()
        };
        activity.busy(&head);
        let status = activity.status();
        assert_eq!((status.state, status.requests, status.method.as_str()), (ThreadState::Busy, 1, "GET"));
        assert_eq!(status.uri.len(), SHOWN_URI_BYTES_MAX);
        activity.idle();
        let status = activity.status();
        assert_eq!((status.state, status.requests, status.uri.as_str()), (ThreadState::Idle, 1, ""));
    }
}
