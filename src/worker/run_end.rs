//! The end of a run of a worker's script, for both kinds of workers: [`RunEnd::decide`] chooses what follows, the
//! worker stores that, and [`RunEnd::record`] logs it.

use super::messages::{self, LastFailure, ReadiedBy};
use super::supervise::{Failures, Finish, Next};
use crate::php::Ended;
use std::time::Duration;

/// The kind of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Every failed run counts.
    Background,
    /// Only failed boots count: a request that fails must not take the worker down.
    Http,
}

/// The pending request to the script when its run ended. Then its end is not a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The script ended by itself.
    Nothing,
    /// By an operator, a reload, a change of files, or opcache.
    Restart,
    /// It has had its `max_requests`.
    NextRun,
    /// The worker or the server stops.
    Stop,
}

/// A run that has ended.
pub(super) struct RunEnd<'a> {
    pub(super) kind: Kind,
    /// The name, for the log.
    pub(super) worker: &'a str,
    /// The label of the scope, for the log.
    pub(super) scope: Option<&'a str>,
    /// The number of the thread in its group.
    pub(super) thread: usize,
    /// The number of the run on this thread.
    pub(super) run: u64,
    /// Decides whether the end is the script's own.
    pub(super) asked: Asked,
    /// How long the run took in all.
    pub(super) lasted: Duration,
    /// How long it had been ready; `None`: it never was.
    pub(super) ready_for: Option<Duration>,
    /// Failures in a row after which the worker is given up; `None`: never.
    pub(super) failures_max: Option<u32>,
    /// What it should have done before it ended.
    pub(super) readied_by: ReadiedBy,
}

/// What follows the end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Follows {
    /// Nothing: the worker stops.
    Stop,
    /// The next run, because a restart was asked for.
    Restart,
    /// The next run, because the script ended well by itself.
    NextRun,
    /// The next run, because this one failed.
    Retry(LastFailure),
    /// No run: this one failed, and was one failure too many.
    GiveUp(LastFailure),
}

/// The exit status of a run; 255 after a fatal error or an uncaught exception.
pub(super) fn exit_status(ended: &Ended) -> i32 {
    if ended.failed && ended.exit_status == 0 { 255 } else { ended.exit_status }
}

/// Writes a record with the fields of every record of a run.
macro_rules! record {
    ($level:ident, $end:expr, $($rest:tt)+) => {
        tracing::$level!(worker = $end.worker, scope = $end.scope, thread = $end.thread, run = $end.run, $($rest)+)
    };
}

impl RunEnd<'_> {
    /// Decides what follows, and sets the pause before the next run.
    pub(super) fn decide(&self, ended: Ended, failures: &mut Failures, pause: &mut Duration) -> Follows {
        *pause = Duration::ZERO;
        match self.asked {
            Asked::Stop => return Follows::Stop,
            Asked::Restart => return Follows::Restart,
            Asked::NextRun => return Follows::NextRun,
            Asked::Nothing => {}
        }
        let finish =
            Finish { success: ended.exit_status == 0 && !ended.failed, ready_for: self.ready_for, lasted: self.lasted };
        // A request that failed must not take an HTTP worker down: only its failed boots count.
        let cap = if self.failed_in_request() { None } else { self.failures_max };
        let next = failures.decide(finish, cap);
        let last = LastFailure { exit_status: exit_status(&ended), error: ended.error };
        match next {
            Next::Restart { pause: before } => {
                *pause = before;
                Follows::NextRun
            }
            Next::Retry { .. } if self.failed_in_request() => {
                *failures = Failures::default();
                Follows::Retry(last)
            }
            Next::Retry { pause: before } => {
                *pause = before;
                Follows::Retry(last)
            }
            Next::GiveUp => Follows::GiveUp(last),
        }
    }

    /// Logs what follows. `attempt` counts the failures in a row, `exit_status` is that of the run.
    pub(super) fn record(&self, follows: &Follows, attempt: u32, exit_status: i32, pause: Duration) {
        let pause_ms = pause.as_millis() as u64;
        let script = self.script();
        match follows {
            Follows::Stop => record!(info, self, exit_status, "{script} stopped"),
            Follows::Restart => record!(info, self, exit_status, "{script} ended for a restart"),
            // An HTTP worker may end after a number of requests; that is not worth a record.
            Follows::NextRun if self.kind == Kind::Http => {
                record!(debug, self, exit_status, "{script} ended, restarting it");
            }
            Follows::NextRun => record!(info, self, exit_status, "{script} ended, restarting it"),
            Follows::Retry(_) if self.failed_in_request() => {
                record!(warn, self, exit_status, "{script} failed in a request, restarting it");
            }
            Follows::Retry(last) if self.kind == Kind::Http => {
                let why = messages::failed(attempt, last, self.readied_by);
                record!(warn, self, attempt, exit_status, pause_ms, "{script} failed to boot, trying again: {why}");
            }
            Follows::Retry(last) => {
                let why = messages::failed(attempt, last, self.readied_by);
                record!(warn, self, attempt, exit_status, pause_ms, "{script} failed, restarting it: {why}");
            }
            Follows::GiveUp(last) => {
                let why = messages::failed(attempt, last, self.readied_by);
                record!(error, self, attempt, exit_status, "{script} given up: {why}");
            }
        }
    }

    /// Whether an HTTP worker's script ended after it had served.
    fn failed_in_request(&self) -> bool {
        self.kind == Kind::Http && self.ready_for.is_some()
    }

    /// The words with which a record begins.
    fn script(&self) -> &'static str {
        match self.kind {
            Kind::Background => "background worker",
            Kind::Http => "worker script",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(kind: Kind, asked: Asked, ready_for: Option<Duration>) -> RunEnd<'static> {
        RunEnd {
            kind,
            worker: "w",
            scope: None,
            thread: 0,
            run: 1,
            asked,
            lasted: Duration::from_secs(1),
            ready_for,
            failures_max: Some(1),
            readied_by: ReadiedBy::SET_VARS,
        }
    }

    fn failed() -> Ended {
        Ended { exit_status: 255, failed: true, handled: false, error: None }
    }

    #[test]
    fn what_was_asked_for_is_no_failure() {
        for kind in [Kind::Background, Kind::Http] {
            for (asked, follows) in [(Asked::Stop, Follows::Stop), (Asked::Restart, Follows::Restart)] {
                let (mut failures, mut pause) = (Failures::default(), Duration::MAX);
                assert_eq!(end(kind, asked, None).decide(failed(), &mut failures, &mut pause), follows);
                assert_eq!((failures.count(), pause), (0, Duration::ZERO));
            }
        }
    }

    #[test]
    fn a_failure_in_a_request_gives_no_http_worker_up() {
        let ready = Some(Duration::from_millis(1));
        let follows = |kind, ready| {
            end(kind, Asked::Nothing, ready).decide(failed(), &mut Failures::default(), &mut Duration::ZERO.clone())
        };
        assert!(matches!(follows(Kind::Http, ready), Follows::Retry(_)));
        assert!(matches!(follows(Kind::Http, None), Follows::GiveUp(_)));
        assert!(matches!(follows(Kind::Background, ready), Follows::GiveUp(_)));
    }
}
