//! The options of every PHP thread.

use crate::exchange::Pairs;
use crate::store::Stores;
use crate::vars::{CopyBudget, Limits, Policy};
use std::sync::Arc;

/// The options of a PHP thread.
#[derive(Clone)]
pub struct ThreadOptions {
    /// The thread's name; debuggers and `top` show its first 15 bytes.
    pub name: String,
    /// Whether its threads block the signals of the process, so that these reach another thread whose script may handle
    /// them.
    pub blocks_signals: bool,
    /// php.ini settings for its requests only, as names and values.
    pub settings: Arc<Pairs>,
    /// How snapshots reach its scripts.
    pub policy: Policy,
    /// The budget for pinned bytes of all threads.
    pub copy_budget: Arc<CopyBudget>,
    /// The bounds of the snapshots that its scripts publish.
    pub limits: Limits,
    /// The stores that its scripts see.
    pub stores: Arc<Stores>,
}

impl ThreadOptions {
    /// Whether threads with these options behave alike; their names do not count.
    pub fn same_as(&self, other: &Self) -> bool {
        self.policy == other.policy && self.limits == other.limits && Arc::ptr_eq(&self.copy_budget, &other.copy_budget)
    }
}
