//! A topic of a Mercure hub that gets each version of a worker's array.

use super::Background;
use crate::php::{Scope, Update};

/// The topic that gets each version of a worker's array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// The topic.
    pub topic: String,
    /// Whether only subscribers that may get private updates of the topic get it.
    pub is_private: bool,
}

impl Background {
    /// Sends the newest version to the worker's topic, if it has one, by the hub of `scope`. Of several threads of a worker, two
    /// may send the same version; it is the newest one in any case.
    pub fn feed(&self, scope: &dyn Scope) {
        let Some((feed, newest)) = self.config.feed.as_ref().zip(self.slot.current()) else { return };
        // All instances of a cluster count the versions of a worker alike by their positions only.
        let version = match self.cluster().map(|state| state.view().position) {
            Some(position) => format!("{}.{}", position.epoch, position.number),
            None => newest.version.to_string(),
        };
        let update = Update {
            topics: vec![feed.topic.clone()],
            data: newest.snapshot.json(),
            is_private: feed.is_private,
            id: Some(format!("{}:{version}", self.name)),
            ..Update::default()
        };
        if let Err(failure) = scope.send_update(update) {
            // Without a server, as on the command line, there is no hub.
            tracing::debug!(worker = self.name, topic = feed.topic, "sending a version: {}", failure.message);
        }
    }
}
