//! The budget of all worker scripts together for the replaced versions that they pin. It also remembers which of its
//! warnings were logged.

use crate::limits::BUDGET_WARNINGS_MAX;
use crate::sync::{AtomicUsize, Ordering};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The budget that was used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Budget {
    /// The budget of one worker script.
    Thread,
    /// The budget of all worker scripts together.
    Process,
}

/// What all threads' pins share.
#[derive(Default)]
pub struct CopyBudget {
    /// Of all threads together. Exceeds the budget only by what was charged, not reserved.
    replaced_bytes: AtomicUsize,
    /// Protects the set of reported scripts.
    told: Mutex<HashSet<Told>>,
}

/// The reading script, the worker that is read, and the budget that forces copies.
type Told = (Vec<u8>, Vec<u8>, Budget);

impl CopyBudget {
    /// Bytes of replaced versions that worker scripts pin now.
    pub fn replaced_bytes(&self) -> usize {
        self.replaced_bytes.load(Ordering::Relaxed)
    }

    /// Returns true the first time for this script, worker and budget: log the warning then.
    pub fn tell_once(&self, script: &[u8], worker: &[u8], budget: Budget) -> bool {
        // A panicked insertion loses at most one entry of the set.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < BUDGET_WARNINGS_MAX && told.insert((script.to_vec(), worker.to_vec(), budget))
    }

    /// Takes `bytes` from a budget of `budget` bytes; `false`: there are fewer, and nothing was taken. Check and use
    /// are one step, so any number of scripts together stay within the budget. `Relaxed` is enough: the number guards
    /// no other memory.
    pub(super) fn reserve(&self, bytes: usize, budget: usize) -> bool {
        let more = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= budget);
        self.replaced_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Counts `bytes` even beyond the budget.
    pub(super) fn charge(&self, bytes: usize) {
        self.replaced_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Releases reserved or charged bytes.
    pub(super) fn give_back(&self, bytes: usize) {
        self.replaced_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
