//! A topic of a Mercure hub that gets each version of a worker's array.

use super::Background;
use crate::limits::MERCURE_PATCHES_MAX;
use crate::php::{Scope, Update};
use crate::vars::{Published, Snapshot};
use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// The topic that gets each version of a worker's array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The topic.
    pub topic: String,
    /// Whether only subscribers that may get private updates of the topic get it.
    pub is_private: bool,
    /// Whether most updates have only what has changed since the one before.
    pub is_patch: bool,
}

/// What a topic has got last.
pub(super) struct Sent {
    /// Part of the identifiers of changes: the same number of an earlier server is another base.
    begun: u128,
    version: Option<u64>,
    /// The base of the next change.
    snapshot: Option<Arc<Snapshot>>,
    /// How many changes were sent since the last whole array.
    patches: usize,
}

/// The type of events that are changes; whole arrays have none.
const MERGE_PATCH: &str = "merge-patch";

impl Sent {
    pub(super) fn nothing() -> Self {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Self { begun, version: None, snapshot: None, patches: 0 }
    }

    /// The change to this version. `None`: the whole array must be sent.
    fn patch(&self, newest: &Published) -> Option<String> {
        let before = self.snapshot.as_ref().filter(|_| self.patches < MERCURE_PATCHES_MAX)?;
        newest.snapshot.merge_patch(before)
    }
}

impl Background {
    /// Sends the newest version to the worker's topic, if it has one, by the hub of `scope`. Of several threads of a worker, the
    /// first one sends it.
    pub fn feed(&self, scope: &dyn Scope) {
        let Some(feed) = self.config.feed.as_ref() else { return };
        // Held while it is sent: a client applies changes in their order.
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(newest) = self.slot.current().filter(|newest| sent.version != Some(newest.version)) else { return };
        // All instances of a cluster count the versions of a worker alike by their positions only.
        let (version, sends_patches) = match self.cluster().map(|state| state.view().position) {
            // An instance may have missed a version, so its changes would have another base than those of the next one.
            Some(position) => (format!("{}.{}", position.epoch, position.number), false),
            None if feed.is_patch => (format!("{:x}.{}", sent.begun, newest.version), true),
            None => (newest.version.to_string(), false),
        };
        let patch = if sends_patches { sent.patch(&newest) } else { None };
        let patches = patch.as_ref().map_or(0, |_| sent.patches + 1);
        let update = Update {
            topics: vec![feed.topic.clone()],
            kind: patch.as_ref().map(|_| MERGE_PATCH.to_owned()),
            data: patch.unwrap_or_else(|| newest.snapshot.json()),
            is_private: feed.is_private,
            id: Some(format!("{}:{version}", self.name)),
            // The cluster brings each version to all instances, and other workers run on each of them.
            is_local: true,
            ..Update::default()
        };
        let mut snapshot = Some(newest.snapshot).filter(|_| sends_patches);
        if let Err(failure) = scope.send_update(update) {
            // Without a server, as on the command line, there is no hub.
            tracing::debug!(worker = self.name, topic = feed.topic, "sending a version: {}", failure.message);
            snapshot = None;
        }
        *sent = Sent { version: Some(newest.version), snapshot, patches, ..*sent };
    }
}
