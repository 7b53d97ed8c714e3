//! The counters of a worker, for metrics. They start when the server first knows the name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The counts of a background worker. Its lock protects them, and its successor takes them over when a reload changes
/// its declaration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkerCounters {
    /// Runs that have become ready.
    pub ready: u64,
    /// Runs that failed.
    pub failures: u64,
    /// How often it was given up.
    pub give_ups: u64,
    /// Interrupted runs.
    pub kills: u64,
    /// The restarts of its script, by the cause.
    pub restarts: Restarts,
}

/// The restarts of a background worker's script, by the cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restarts {
    /// It ended by itself, with status 0.
    pub exit: u64,
    /// It failed.
    pub failure: u64,
    /// A restart was asked for, by the admin interface or because a watched file has changed.
    pub restart: u64,
    /// A reload has changed its declaration.
    pub reload: u64,
}

/// When a script last called `frankenphp_set_vars()`. Without a lock, because an unchanged publish takes none.
/// `Relaxed`: the number is only displayed.
pub(super) struct LastPublish {
    /// By the [`coarse`] clock; 0: never.
    at_ms: AtomicU64,
}

impl LastPublish {
    /// Nothing was published yet.
    pub(super) fn never() -> Self {
        Self { at_ms: AtomicU64::new(0) }
    }

    /// Called at every publish, so it must cost nothing.
    pub(super) fn note(&self) {
        self.at_ms.store(coarse::milliseconds(), Ordering::Relaxed);
    }

    /// How long ago that was.
    pub(super) fn ago(&self) -> Option<Duration> {
        let at = self.at_ms.load(Ordering::Relaxed);
        (at > 0).then(|| Duration::from_millis(coarse::milliseconds().saturating_sub(at)))
    }
}

/// The monotonic clock of the kernel's ticks, a few milliseconds apart. Reading it costs a quarter of [`Instant`],
/// which would be a quarter of an unchanged publish.
///
/// [`Instant`]: std::time::Instant
mod coarse {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::MonotonicCoarse;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;

    /// Since some moment before the process started; never 0.
    pub(super) fn milliseconds() -> u64 {
        let now = clock_gettime(CLOCK);
        // The kernel counts neither below zero nor a second's nanoseconds beyond a second.
        let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
        (seconds * 1_000 + nanos / 1_000_000).max(1)
    }
}

/// The counters of an HTTP worker's threads. `Relaxed` everywhere: numbers that nothing synchronises by.
#[derive(Debug, Default)]
pub(super) struct HttpCounters {
    /// Requests that a script has served.
    requests: AtomicU64,
    /// Time that scripts spent on requests. 64 bits hold 584 years.
    request_nanos: AtomicU64,
    /// See [`HttpCounts::crashes`].
    crashes: AtomicU64,
    /// See [`HttpCounts::restarts`].
    restarts: AtomicU64,
}

/// The counts of an HTTP worker at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Requests that have been served.
    pub requests: u64,
    /// The time that threads spent on them.
    pub request_time: Duration,
    /// Runs of the script that failed, in a request or in the boot.
    pub crashes: u64,
    /// Runs of the script that were followed by another without a failure.
    pub restarts: u64,
}

impl HttpCounters {
    /// A request was served in this time.
    pub(super) fn request(&self, took: Duration) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.request_nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn crash(&self) {
        self.crashes.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Read one after the other, so they may belong to slightly different moments.
    pub(super) fn counts(&self) -> HttpCounts {
        let [requests, nanos, crashes, restarts] = [&self.requests, &self.request_nanos, &self.crashes, &self.restarts]
            .map(|counter| counter.load(Ordering::Relaxed));
        HttpCounts { requests, request_time: Duration::from_nanos(nanos), crashes, restarts }
    }
}
