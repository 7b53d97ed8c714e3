//! The events that end a script's wait for background workers early.

use super::safepoint::{Member, safepoint};
use crate::exchange::Sleeper;
use std::task::Waker;

/// Why a script must not wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The script is being interrupted.
    Interrupted,
    /// opcache should restart, and no worker starts before this script has ended.
    HeldBack,
}

/// What can end the waits of one PHP thread.
#[derive(Clone, Copy)]
pub struct Cutoff<'a>(&'a Member);

impl<'a> Cutoff<'a> {
    /// The cutoff of the thread's current PHP request.
    pub(super) fn of(member: &'a Member) -> Self {
        Self(member)
    }

    /// Registers `waker` for the events that may end the calling thread's wait; call it before the first check.
    pub fn sleeper(self, waker: Waker) -> Sleeper<'a> {
        self.0.waits().sleeper(waker)
    }

    /// Whether, and why, the wait should end.
    pub fn look(self) -> Option<Cut> {
        if self.0.waits().is_cancelled() {
            return Some(Cut::Interrupted);
        }
        safepoint().holds_back(self.0).then_some(Cut::HeldBack)
    }
}
