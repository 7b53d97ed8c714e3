//! Limits how long a client may keep a PHP thread waiting for a request body.

use std::time::Duration;

use crate::limits::{BODY_BYTES_PER_SECOND_MIN, BODY_READ_IDLE_SECONDS_MAX, BODY_READ_SECONDS_BEFORE_PACE};

/// Longer than any server runs, and short enough to be added to a moment.
const NO_LIMIT: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The bytes of one body that a client has sent, and how long the server waited for them. The time that the script
/// itself takes between two reads does not count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// In bytes.
    received: u64,
    /// Of the server for the client.
    waited: Duration,
    /// The limit of one wait; zero: none, and no pace is asked for either.
    idle: Duration,
    /// The limit of all waits together; `None`: as long as the client keeps its pace.
    limit: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        let idle = Duration::from_secs(BODY_READ_IDLE_SECONDS_MAX);
        Self { received: 0, waited: Duration::ZERO, idle, limit: None }
    }
}

impl Pace {
    /// The pace of a body, with a limit for all waits together.
    pub(super) fn within(limit: Option<Duration>) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The same, and with a limit for one wait: `None` is the default, zero none.
    pub(super) fn of(idle: Option<Duration>, limit: Option<Duration>) -> Self {
        let default = Self::within(limit);
        Self { idle: idle.unwrap_or(default.idle), ..default }
    }

    /// The time limit for the next bytes.
    pub(super) fn next_wait_max(&self) -> Duration {
        if self.idle.is_zero() {
            return self.limit.map_or(NO_LIMIT, |limit| limit.saturating_sub(self.waited));
        }
        // A long wait that the configuration allows must not end by the pace.
        let before_pace = Duration::from_secs(BODY_READ_SECONDS_BEFORE_PACE).max(self.idle);
        let earned = before_pace.saturating_add(Duration::from_secs(self.received / BODY_BYTES_PER_SECOND_MIN));
        let whole = self.limit.map_or(earned, |limit| limit.min(earned));
        self.idle.min(whole.saturating_sub(self.waited))
    }

    /// Records bytes that arrived after a wait.
    pub(super) fn note(&mut self, received: usize, waited: Duration) {
        self.received = self.received.saturating_add(received as u64);
        self.waited = self.waited.saturating_add(waited);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long the server waits for a client with this rate of bytes.
    fn seconds_until_cut_off(bytes_per_second: usize) -> Option<u64> {
        let mut pace = Pace::default();
        for second in 0..1_000_000 {
            if pace.next_wait_max() < Duration::from_secs(1) {
                return Some(second);
            }
            pace.note(bytes_per_second, Duration::from_secs(1));
        }
        None
    }

    #[test]
    fn a_trickle_ends_and_a_slow_line_does_not() {
        assert_eq!(seconds_until_cut_off(1), Some(BODY_READ_SECONDS_BEFORE_PACE));
        let half = BODY_BYTES_PER_SECOND_MIN as usize / 2;
        assert_eq!(seconds_until_cut_off(half), Some(2 * BODY_READ_SECONDS_BEFORE_PACE - 1));
        assert_eq!(seconds_until_cut_off(2 * half), None);
    }

    #[test]
    fn the_configuration_may_say_how_long_a_wait_is() {
        let seconds = Duration::from_secs;
        assert_eq!(Pace::of(Some(seconds(3)), None).next_wait_max(), seconds(3));
        assert_eq!(Pace::of(Some(seconds(600)), None).next_wait_max(), seconds(600), "longer than the pace's start");
        assert_eq!(Pace::of(None, None).next_wait_max(), seconds(BODY_READ_IDLE_SECONDS_MAX));
        let mut none = Pace::of(Some(Duration::ZERO), Some(seconds(1000)));
        none.note(1, seconds(900));
        assert_eq!(none.next_wait_max(), seconds(100), "the site's limit stays");
        assert_eq!(Pace::of(Some(Duration::ZERO), None).next_wait_max(), NO_LIMIT);
    }

    #[test]
    fn a_limit_ends_the_wait_for_a_client_that_keeps_its_pace() {
        let mut pace = Pace::within(Some(Duration::from_secs(5)));
        pace.note(usize::MAX, Duration::from_secs(3));
        assert_eq!(pace.next_wait_max(), Duration::from_secs(2));
        let generous = Pace::within(Some(Duration::from_secs(3600)));
        assert_eq!(generous.next_wait_max(), Duration::from_secs(BODY_READ_IDLE_SECONDS_MAX), "silence is shorter");
    }

    #[test]
    fn one_silence_is_shorter_than_what_was_earned() {
        let mut pace = Pace::default();
        assert_eq!(pace.next_wait_max(), Duration::from_secs(BODY_READ_IDLE_SECONDS_MAX));
        pace.note(usize::MAX, Duration::ZERO);
        assert_eq!(pace.next_wait_max(), Duration::from_secs(BODY_READ_IDLE_SECONDS_MAX));
    }
}
