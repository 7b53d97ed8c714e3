//! The activity of each PHP thread, for operators.

use super::latency::Latency;
use crate::exchange::{RequestHead, RequestTimeLimits};
use crate::limits::SHOWN_URI_BYTES_MAX;
use crate::secrets::redact_uri;
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
    /// The thread's number in the system; 0: not known yet.
    id: u32,
    started: Instant,
    /// The last request, or the current one.
    script: Vec<u8>,
    content_length: i64,
    /// How long the last request took.
    last: Duration,
    /// How long its requests took.
    latency: Latency,
    /// The limits of the current request; none without a request.
    limits: RequestTimeLimits,
    /// Whether the current request was found to be slow.
    is_slow: bool,
}

/// A request that takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// Found for the first time: the log gets a backtrace of this many lines.
    Slow {
        /// The most lines.
        trace_depth: u32,
    },
    /// The script must end.
    Ended,
}

impl Default for Now {
    fn default() -> Self {
        let (state, since) = (ThreadState::Starting, Instant::now());
        let limits = RequestTimeLimits::default();
        Self {
            state,
            since,
            run: 0,
            requests: 0,
            method: Vec::new(),
            uri: Vec::new(),
            id: 0,
            started: since,
            script: Vec::new(),
            content_length: 0,
            last: Duration::ZERO,
            latency: Latency::default(),
            limits,
            is_slow: false,
        }
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
    /// Path and query of the current request, cut at [`SHOWN_URI_BYTES_MAX`], its secrets masked; empty when there is none.
    pub uri: String,
    /// The thread's number in the system; 0: not known yet.
    pub id: u32,
    /// How long ago the thread was started.
    pub age: Duration,
    /// The script of the current request or the last one; empty: none yet.
    pub script: String,
    /// The length of the body of the same request in bytes; -1: not known.
    pub content_length: i64,
    /// How long the last request took.
    pub last: Duration,
    /// How long its requests took.
    pub latency: Latency,
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
            now.limits = head.time_limits;
            now.script.clear();
            now.script.extend_from_slice(head.script.as_bytes());
            now.content_length = head.content_length;
            now.method.extend_from_slice(head.method.as_bytes());
            let uri = head.uri.as_bytes();
            now.uri.extend_from_slice(&uri[..uri.len().min(SHOWN_URI_BYTES_MAX)]);
        });
    }

    /// The response is complete while the script continues: its time is not limited any more.
    pub fn responded(&self) {
        self.now().limits = RequestTimeLimits::default();
    }

    /// Calls `act` if the current request takes too long. The request cannot end meanwhile, so `act` must be short, and must
    /// not ask for an activity.
    pub fn check_overdue(&self, act: impl FnOnce(Overdue)) {
        let mut now = self.now();
        let RequestTimeLimits { slow, trace_depth, terminate } = now.limits;
        if slow.is_none() && terminate.is_none() {
            return;
        }
        let lasted = now.since.elapsed();
        let is_over = |limit: Option<Duration>| limit.is_some_and(|limit| lasted >= limit);
        if is_over(slow) && !std::mem::replace(&mut now.is_slow, is_over(slow)) {
            act(Overdue::Slow { trace_depth });
        } else if is_over(terminate) {
            act(Overdue::Ended);
        }
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
            uri: redact_uri(&text(&now.uri)).into_owned(),
            id: now.id,
            age: now.started.elapsed(),
            script: text(&now.script),
            content_length: now.content_length,
            last: now.last,
            latency: now.latency,
        }
    }

    /// Sets the state and what belongs to it. Returns how long the one before has lasted.
    fn change(&self, state: ThreadState, change: impl FnOnce(&mut Now)) -> Duration {
        let at = Instant::now();
        let mut now = self.now();
        let before = at - now.since;
        if now.state == ThreadState::Busy {
            now.last = before;
            now.latency.count(before);
        }
        if now.id == 0 {
            now.id = own_id();
        }
        now.state = state;
        now.since = at;
        now.method.clear();
        now.uri.clear();
        now.limits = RequestTimeLimits::default();
        now.is_slow = false;
        change(&mut now);
        before
    }

    /// Held for a few stores only, because every request takes it.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The number of the calling thread in the system; 0 if it cannot be found.
fn own_id() -> u32 {
    let link = std::fs::read_link("/proc/thread-self").unwrap_or_default();
    link.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or_default()
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
        // What reads a status shows it to people, in logs and pages.
        activity.busy(&RequestHead { uri: c"/a?token=s3cr3t&b=1".to_owned(), ..RequestHead::default() });
        assert_eq!(activity.status().uri, "/a?token=REDACTED&b=1");
        activity.idle();
        let status = activity.status();
        assert_eq!((status.state, status.requests, status.uri.as_str()), (ThreadState::Idle, 2, ""));
    }

    #[test]
    fn a_request_is_slow_once_and_then_ends() {
        let activity = Activity::default();
        let found = || {
            let mut found = None;
            activity.check_overdue(|overdue| found = Some(overdue));
            found
        };
        let limits = |slow: Option<u64>, terminate: Option<u64>| RequestTimeLimits {
            slow: slow.map(Duration::from_secs),
            trace_depth: 20,
            terminate: terminate.map(Duration::from_secs),
        };
        let begin = |time_limits| activity.busy(&RequestHead { time_limits, ..RequestHead::default() });
        begin(limits(None, None));
        assert_eq!(found(), None);
        begin(limits(Some(1000), Some(1000)));
        assert_eq!(found(), None);
        begin(limits(Some(0), Some(0)));
        let slow = Some(Overdue::Slow { trace_depth: 20 });
        assert_eq!([found(), found(), found()], [slow, Some(Overdue::Ended), Some(Overdue::Ended)]);
        begin(limits(Some(0), None));
        assert_eq!([found(), found()], [slow, None], "another request");
        begin(limits(Some(0), Some(0)));
        activity.responded();
        assert_eq!(found(), None);
        begin(limits(None, Some(0)));
        activity.idle();
        assert_eq!(found(), None);
    }
}
