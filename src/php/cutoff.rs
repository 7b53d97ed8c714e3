//! The events that end the wait of a script for background workers early.

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

/// The ends of the waits of one PHP thread.
#[derive(Clone, Copy)]
pub struct Cutoff<'a>(&'a Member);

impl<'a> Cutoff<'a> {
    pub(super) fn of(member: &'a Member) -> Self {
        Self(member)
    }

    /// Lets `waker` be woken when the calling thread may have to give a wait up; to be called before the first look.
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
