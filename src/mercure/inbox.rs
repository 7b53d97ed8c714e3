//! What a relay knows of the hubs that send to it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::burst::Burst;
use super::relay_counts::{MISSED, UNREADABLE};
use crate::limits;

#[derive(Default)]
pub(super) struct Inbox {
    /// The name of the hub.
    hub: String,
    senders: HashMap<u64, Known>,
    /// Counts the updates.
    turns: u64,
    pub(super) missed: Burst,
    pub(super) unreadable: Burst,
}

/// What was received from one sender.
struct Known {
    number: u64,
    turn: u64,
}

impl Inbox {
    pub(super) fn of(hub: &str) -> Self {
        Self { hub: hub.to_owned(), ..Self::default() }
    }

    /// Whether this update of this sender was not received before. Counts those that are missing before it.
    pub(super) fn is_new(&mut self, sender: u64, number: u64) -> bool {
        self.turns += 1;
        let turn = self.turns;
        let Some(known) = self.senders.get_mut(&sender) else {
            if self.senders.len() >= limits::CLUSTER_SENDERS_MAX {
                self.forget_one();
            }
            self.senders.insert(sender, Known { number, turn });
            return true;
        };
        if number <= known.number {
            return false;
        }
        let missed = number - known.number - 1;
        *known = Known { number, turn };
        if missed > 0 {
            MISSED.fetch_add(missed, Ordering::Relaxed);
            if let Some(missed) = self.missed.add(missed) {
                let hub = &self.hub;
                tracing::warn!(
                    hub,
                    missed,
                    "mercure: updates of other instances did not come through the cluster's engine"
                );
            }
        }
        true
    }

    /// Of a process that has ended, most likely.
    fn forget_one(&mut self) {
        let oldest = self.senders.iter().min_by_key(|(_, known)| known.turn).map(|(sender, _)| *sender);
        if let Some(oldest) = oldest {
            self.senders.remove(&oldest);
        }
    }

    pub(super) fn refuse(&mut self, error: &dyn std::fmt::Display) {
        UNREADABLE.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.unreadable.add(1) {
            let hub = &self.hub;
            tracing::warn!(
                hub,
                count,
                "mercure: an update in the cluster's engine is not sent to subscribers: {error}"
            );
        }
    }
}
