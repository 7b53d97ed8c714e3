//! The life of a background worker: its states, and every change between them in one function.
//!
//! | from | event | to |
//! |---|---|---|
//! | any | started | starting; ready if it was ever ready |
//! | starting | up | running |
//! | any | ready | ready |
//! | running | down | starting |
//! | any | gave up | given up |
//! | any | stopped | stopping |
//!
//! *Stopping* is the end: no event changes it. A successor, after a reload, starts as ready if its predecessor was ever
//! ready, else as idle.
//!
//! Readiness is sticky: a worker that was ready once is ready again as soon as it restarts, because its snapshot stays
//! readable.

/// The state of a worker. The log, the admin interface and the documents use the same words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Life {
    /// No thread runs it, and none has failed.
    #[default]
    Idle,
    /// Its threads boot or pause; no script is up.
    Starting,
    /// A script is up: it has asked for its handle. It is not ready yet.
    Running,
    /// It is what [`ReadyWhen`](super::ReadyWhen) says.
    Ready,
    /// Its last thread failed too often in a row. It runs again when it is started again.
    GivenUp,
    /// The server stops, or a reload has removed or replaced it: nothing starts any more.
    Stopping,
}

/// What happens to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The first of its threads was spawned.
    Started,
    /// The first of its scripts is up.
    Up,
    /// The last script that was up ended.
    Down,
    /// A run became ready.
    Ready,
    /// Its last thread gave up.
    GaveUp,
    /// It should end.
    Stopped,
}

/// The state of a worker, and whether it was ever ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lifecycle {
    life: Life,
    /// Set once: what was published stays readable after crashes and restarts.
    was_ready: bool,
}

impl Lifecycle {
    /// The lifecycle of the successor of a worker: ready if that was, because it has the same slot.
    pub(super) fn succeed(self) -> Self {
        let life = if self.was_ready { Life::Ready } else { Life::Idle };
        Self { life, was_ready: self.was_ready }
    }

    /// Every change of state.
    pub(super) fn on(&mut self, event: Event) {
        use Event::{Down, GaveUp, Ready, Started, Stopped, Up};
        self.was_ready |= event == Ready;
        self.life = match (self.life, event) {
            (Life::Stopping, _) | (_, Stopped) => Life::Stopping,
            (_, GaveUp) => Life::GivenUp,
            (_, Ready) => Life::Ready,
            (_, Started) if self.was_ready => Life::Ready,
            (_, Started) => Life::Starting,
            (Life::Starting, Up) => Life::Running,
            (Life::Running, Down) => Life::Starting,
            (life, Up | Down) => life,
        };
    }

    /// Whether a run has become ready, now or before.
    pub(super) fn was_ready(self) -> bool {
        self.was_ready
    }

    /// Whether it should end.
    pub(super) fn is_stopping(self) -> bool {
        self.life == Life::Stopping
    }

    /// Whether it was given up, and not started again.
    pub(super) fn is_given_up(self) -> bool {
        self.life == Life::GivenUp
    }

    /// The word for the state.
    pub(super) fn word(self) -> &'static str {
        match self.life {
            Life::Idle => "idle",
            Life::Starting => "starting",
            Life::Running => "running",
            Life::Ready => "ready",
            Life::GivenUp => "given up",
            Life::Stopping => "stopping",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Event::{Down, GaveUp, Ready, Started, Stopped, Up};
    use super::*;

    fn after(events: &[Event]) -> Lifecycle {
        let mut lifecycle = Lifecycle::default();
        events.iter().for_each(|event| lifecycle.on(*event));
        lifecycle
    }

    #[test]
    fn every_way_through_a_life() {
        let cases: [(&[Event], &str); 13] = [
            (&[], "idle"),
            (&[Started], "starting"),
            (&[Started, Up], "running"),
            (&[Started, Up, Down], "starting"),
            (&[Started, Up, Ready], "ready"),
            (&[Started, Up, Ready, Down], "ready"),
            (&[Started, Ready], "ready"),
            (&[Started, GaveUp], "given up"),
            (&[Started, GaveUp, Started], "starting"),
            (&[Started, Ready, GaveUp], "given up"),
            (&[Started, Ready, GaveUp, Started], "ready"),
            (&[Started, Ready, Stopped], "stopping"),
            (&[Stopped, Started, Ready, GaveUp], "stopping"),
        ];
        for (events, word) in cases {
            assert_eq!(after(events).word(), word, "{events:?}");
        }
    }

    #[test]
    fn a_successor_is_ready_when_the_worker_ever_was() {
        assert_eq!(after(&[Started]).succeed().word(), "idle");
        assert_eq!(after(&[Started, Ready, GaveUp]).succeed().word(), "ready");
        assert_eq!(after(&[Started, Ready, Stopped]).succeed().word(), "ready");
    }
}
