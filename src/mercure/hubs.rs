//! The hubs of the process: which run, what they have counted, and what a reload or a stop does to all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Hub;
use super::relay_counts::{self, RelayCounts};
use crate::config::MercureSettings;

static HUBS: Mutex<Vec<Weak<Hub>>> = Mutex::new(Vec::new());

/// Streams since the start.
pub(super) static SUBSCRIBERS_TOTAL: AtomicU64 = AtomicU64::new(0);
/// Updates since the start.
pub(super) static UPDATES_TOTAL: AtomicU64 = AtomicU64::new(0);

/// What all hubs of the process have counted.
#[derive(Debug, Clone, Copy)]
pub struct HubCounts {
    /// Open streams.
    pub connected: usize,
    /// Streams since the start.
    pub subscribers: u64,
    /// Updates since the start.
    pub updates: u64,
    /// What goes to other instances and comes from them; `None`: there is no cluster.
    pub relays: Option<RelayCounts>,
}

/// The counters of all hubs; `None`: there is no hub.
pub fn counts() -> Option<HubCounts> {
    let hubs = live();
    let connected = hubs.iter().map(|hub| hub.shared.streams()).sum();
    (!hubs.is_empty()).then(|| HubCounts {
        connected,
        subscribers: SUBSCRIBERS_TOTAL.load(Ordering::Relaxed),
        updates: UPDATES_TOTAL.load(Ordering::Relaxed),
        relays: hubs.iter().any(|hub| hub.shared.lock().relay.is_some()).then(relay_counts::counts),
    })
}

/// Ends all streams: the server stops. Their clients connect again, to the next one.
pub fn close_all() {
    for hub in live() {
        hub.close(None);
    }
}

/// Puts new hubs in the place of those whose settings are not among these, before a reload switches to a configuration. What is
/// published to an old hub from then on goes to its successor, and so does who subscribes to it. The new hubs end if nothing keeps
/// what is returned until the configuration has them.
#[must_use]
pub fn hand_over<'c>(
    kept: &[&MercureSettings],
    successor: impl Fn(&MercureSettings) -> Option<&'c MercureSettings>,
) -> Vec<Arc<Hub>> {
    let mut successors = Vec::new();
    for hub in live().into_iter().filter(|hub| !kept.contains(&&hub.settings)) {
        if let Some(settings) = successor(&hub.settings) {
            let new = Hub::with(settings);
            hub.close(Some(Arc::clone(&new)));
            successors.push(new);
        }
    }
    successors
}

/// Ends the streams of all hubs but those with these settings, after a reload. A stream itself keeps the handler that it began
/// with, so a hub does not end with its configuration.
pub fn close_all_but(kept: &[&MercureSettings]) {
    live().into_iter().filter(|hub| !kept.contains(&&hub.settings)).for_each(|hub| hub.close(None));
}

fn live() -> Vec<Arc<Hub>> {
    HUBS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
}

/// The hub with these settings: the one that runs, or the one that `begin` makes.
pub(super) fn running(settings: &MercureSettings, begin: impl FnOnce() -> Arc<Hub>) -> Arc<Hub> {
    let mut hubs = HUBS.lock().unwrap_or_else(PoisonError::into_inner);
    hubs.retain(|hub| hub.strong_count() > 0);
    let known = hubs.iter().filter_map(Weak::upgrade).find(|hub| hub.settings == *settings && !hub.is_closed());
    known.unwrap_or_else(|| {
        let hub = begin();
        hubs.push(Arc::downgrade(&hub));
        hub
    })
}
