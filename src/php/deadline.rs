//! How long scripts may take to end: first the grace period, then a time of repeated interrupts. After that the caller
//! gives up.

use crate::limits::INTERRUPT_EVERY_MS;
use std::time::{Duration, Instant};

/// The end of a wait for scripts that should end.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// Until then the scripts may end on their own.
    grace: Instant,
    /// From then on nothing is tried any more.
    over: Instant,
    /// When the scripts were last interrupted; `None`: not yet.
    interrupted: Option<Instant>,
}

/// The next step for scripts that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Wait, at most this long.
    Wait(Duration),
    /// Interrupt them.
    Interrupt,
    /// Give them up.
    GiveUp,
}

impl Deadline {
    /// Scripts may end on their own until `grace`, and are interrupted for `kill` after it.
    pub fn new(grace: Instant, kill: Duration) -> Self {
        Self { grace, over: grace + kill, interrupted: None }
    }

    /// The same for threads that are asked at this moment. What came before may have taken longer than both times, and the threads
    /// have the second one all the same.
    pub fn asked_at(now: Instant, grace: Instant, kill: Duration) -> Self {
        Self::new(grace.max(now), kill)
    }

    /// What to do now. The caller acts on it and asks again.
    pub fn step(&mut self) -> Step {
        self.step_at(Instant::now())
    }

    /// [`step`](Self::step) at a moment that a test chooses.
    fn step_at(&mut self, now: Instant) -> Step {
        let every = Duration::from_millis(INTERRUPT_EVERY_MS);
        if now >= self.over {
            return Step::GiveUp;
        }
        let next = self.interrupted.map_or(self.grace, |last| last + every);
        if now < next {
            return Step::Wait(next.min(self.over) - now);
        }
        self.interrupted = Some(now);
        Step::Interrupt
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_left_alone_then_interrupted_again_and_again_then_given_up() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut deadline = Deadline::new(at(100), Duration::from_millis(120));
        let every = INTERRUPT_EVERY_MS;
        assert_eq!(deadline.step_at(at(0)), Step::Wait(Duration::from_millis(100)));
        assert_eq!(deadline.step_at(at(100)), Step::Interrupt);
        assert_eq!(deadline.step_at(at(101)), Step::Wait(Duration::from_millis(every - 1)));
        assert_eq!(deadline.step_at(at(100 + every)), Step::Interrupt);
        assert_eq!(deadline.step_at(at(100 + 2 * every)), Step::Interrupt);
        assert_eq!(deadline.step_at(at(219)), Step::Wait(Duration::from_millis(1)), "not beyond the end");
        assert_eq!(deadline.step_at(at(220)), Step::GiveUp);
    }

    /// A stop that had no processor time for a while ended without threads that only had to leave.
    #[test]
    fn who_is_asked_late_is_not_given_up_at_once() {
        let start = Instant::now();
        let at = |milliseconds: u64| start + Duration::from_millis(milliseconds);
        let mut deadline = Deadline::asked_at(at(1000), at(100), Duration::from_millis(120));
        assert_eq!(deadline.step_at(at(1000)), Step::Interrupt);
        assert_eq!(deadline.step_at(at(1119)), Step::Interrupt);
        assert_eq!(deadline.step_at(at(1120)), Step::GiveUp);
        let mut deadline = Deadline::asked_at(at(0), at(100), Duration::from_millis(120));
        assert_eq!(deadline.step_at(at(220)), Step::GiveUp, "an early question changes nothing");
    }

    #[test]
    fn without_time_to_interrupt_nothing_is_interrupted() {
        let now = Instant::now();
        assert_eq!(Deadline::new(now, Duration::ZERO).step_at(now), Step::GiveUp);
    }
}
