//! Decides what follows the end of a run: a pure decision (contract lines B46 to B48).

use crate::limits::{BACKOFF_MS_MAX, BACKOFF_STEP_MS, RECOVERED_SECONDS, RESTART_INTERVAL_MS_MIN};
use std::time::Duration;

/// How a run finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// Exit status 0, and no fatal error, uncaught exception or kill.
    pub success: bool,
    /// How long the run had been ready; `None` when it never was.
    pub ready_for: Option<Duration>,
    /// How long the run took in all.
    pub lasted: Duration,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Cooperative restart: not a failure.
    Restart {
        /// The pause before it.
        pause: Duration,
    },
    /// The run failed; another follows.
    Retry {
        /// The pause before it.
        pause: Duration,
    },
    /// The run failed once too often.
    GiveUp,
}

/// The count of failures in a row. The state behind the decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Reset by a run that has lasted long enough.
    count: u32,
}

impl Failures {
    /// How many there have been in a row.
    pub fn count(self) -> u32 {
        self.count
    }

    /// Decides what follows a run. `cap` is the number of failures in a row that is too many; `None`: never.
    pub fn decide(&mut self, end: Finish, cap: Option<u32>) -> Next {
        if end.success && end.ready_for.is_some() {
            self.count = 0;
            let interval = Duration::from_millis(RESTART_INTERVAL_MS_MIN);
            return Next::Restart { pause: interval.saturating_sub(end.lasted) };
        }
        if end.ready_for.is_some_and(|ready| ready >= Duration::from_secs(RECOVERED_SECONDS)) {
            self.count = 0;
        }
        let before = self.count;
        self.count = self.count.saturating_add(1);
        if cap.is_some_and(|cap| self.count >= cap) {
            return Next::GiveUp;
        }
        Next::Retry { pause: backoff(before) }
    }
}

/// The pause after a failure when there were `before` failures in a row before it: min(n² × 100 ms, 1 s).
pub fn backoff(before: u32) -> Duration {
    let n = u64::from(before);
    Duration::from_millis((n * n).saturating_mul(BACKOFF_STEP_MS).min(BACKOFF_MS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Finish = Finish { success: false, ready_for: None, lasted: Duration::from_millis(5) };

    /// B47
    #[test]
    fn the_pause_grows_with_the_square_of_the_failures_up_to_a_second() {
        let pauses: Vec<u128> = (0..6).map(|n| backoff(n).as_millis()).collect();
        assert_eq!(pauses, [0, 100, 400, 900, 1000, 1000]);
        assert_eq!(backoff(u32::MAX), Duration::from_secs(1));
    }

    /// B48, B5
    #[test]
    fn gives_up_at_the_cap_and_never_without_one() {
        let mut failures = Failures::default();
        for _ in 0..5 {
            assert!(matches!(failures.decide(FAILED, Some(6)), Next::Retry { .. }));
        }
        assert_eq!(failures.decide(FAILED, Some(6)), Next::GiveUp);
        let mut endless = Failures::default();
        for _ in 0..1000 {
            assert!(matches!(endless.decide(FAILED, None), Next::Retry { .. }));
        }
    }

    /// B46
    #[test]
    fn a_success_after_ready_is_no_failure_and_is_rate_limited() {
        let mut failures = Failures { count: 4 };
        let end = Finish { success: true, ready_for: Some(Duration::ZERO), lasted: Duration::from_millis(30) };
        assert_eq!(failures.decide(end, Some(6)), Next::Restart { pause: Duration::from_millis(70) });
        assert_eq!(failures.count(), 0);
        let long = Finish { lasted: Duration::from_secs(5), ..end };
        assert_eq!(failures.decide(long, Some(6)), Next::Restart { pause: Duration::ZERO });
    }

    /// B47
    #[test]
    fn a_success_before_ready_is_a_failure() {
        let mut failures = Failures::default();
        let end = Finish { success: true, ready_for: None, lasted: Duration::ZERO };
        assert_eq!(failures.decide(end, Some(1)), Next::GiveUp);
    }

    /// B48
    #[test]
    fn a_run_that_was_ready_for_half_a_minute_has_recovered() {
        let mut failures = Failures { count: 5 };
        let end = Finish { success: false, ready_for: Some(Duration::from_secs(30)), lasted: Duration::from_secs(31) };
        assert_eq!(failures.decide(end, Some(6)), Next::Retry { pause: Duration::ZERO });
        assert_eq!(failures.count(), 1);
    }
}
