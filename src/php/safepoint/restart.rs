//! A restart of opcache: who asked for it and why, and its outcome.

use std::time::Instant;

/// Why opcache should restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Reason {
    /// A script has called `opcache_reset()`.
    Reset,
    /// Its memory is used up.
    Memory,
    /// Its table of files is full.
    Files,
    /// It has asked by itself; PHP before 8.4 does not report the reason.
    Full,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "opcache_reset()",
            Self::Memory => "out of memory: raise opcache.memory_consumption",
            Self::Files => "too many files: raise opcache.max_accelerated_files",
            Self::Full => "full: raise opcache.memory_consumption or opcache.max_accelerated_files",
        }
    }
}

/// A requested restart that has not happened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRequest {
    pub(super) reason: Reason,
    /// Whether opcache does not know it yet.
    pub(super) reset: bool,
    /// The thread that asked first, and its script's place.
    pub(super) by: String,
    pub(super) since: Instant,
    /// The number of requests; they all become one restart.
    pub(super) asked: u64,
}

/// The number of opcache restarts since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Because a script called `opcache_reset()`.
    pub reset: u64,
    /// Because the cache was full.
    pub full: u64,
    /// Drains that were given up because a thread did not leave.
    pub given_up: u64,
}

/// What opcache did while a thread started its PHP request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Started {
    /// No restart was pending.
    Nothing,
    /// A pending restart was refused.
    Refused,
    /// It has restarted.
    Restarted,
}

impl RestartRequest {
    /// Why.
    pub fn reason(&self) -> &'static str {
        self.reason.as_str()
    }

    /// The first cause.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// What the restart was for, how long it took, and that it failed if it did.
    pub(super) fn log(&self, started: Started) {
        let (reason, by, asked) = (self.reason(), &self.by, self.asked);
        let duration_ms = self.since.elapsed().as_millis() as u64;
        match started {
            Started::Restarted if self.reason == Reason::Reset => {
                tracing::info!(reason, by, asked, duration_ms, "opcache restarted");
            }
            Started::Restarted => tracing::warn!(reason, by, asked, duration_ms, "opcache restarted"),
            Started::Nothing | Started::Refused => {
                tracing::warn!(
                    reason,
                    by,
                    asked,
                    duration_ms,
                    "opcache did not restart, although no PHP thread used it"
                );
            }
        }
    }
}
