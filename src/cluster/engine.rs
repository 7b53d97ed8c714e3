//! What the cluster asks of an engine.

use crate::config::ClusterSettings;
use crate::worker::background::Position;
use std::future::Future;
use std::sync::OnceLock;
use std::time::Instant;

/// Who leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    /// This instance, in this epoch.
    Own(u64),
    /// Another one, of this name.
    Other(String),
}

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is the newest one.
    Accepted,
    /// This instance does not lead any more, so the engine has changed nothing.
    Lost,
}

/// A failure of the engine, for the log: without addresses and credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct EngineError(pub(super) String);

/// The engine, for one worker. Each call ends in bounded time.
pub(super) trait Engine: Send {
    /// Takes or renews the lease. An engine that has lost what it knew counts on from `known`, the highest epoch that
    /// this instance has seen; and the lease of a leader with a lower epoch ends.
    fn lead(&mut self, known: u64) -> impl Future<Output = Result<Lead, EngineError>> + Send;

    /// Stores a snapshot if this instance holds the lease in the epoch of `position`, and the stored one is older.
    fn publish(&mut self, position: Position, bytes: &[u8]) -> impl Future<Output = Result<Fate, EngineError>> + Send;

    /// The stored snapshot, if it is newer than `known`.
    fn read(
        &mut self,
        known: Position,
    ) -> impl Future<Output = Result<Option<(Position, Vec<u8>)>, EngineError>> + Send;

    /// Releases the lease.
    fn release(&mut self) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Uses other settings, for the same state, from the next call on. A lease that is held stays held.
    fn configure(&mut self, settings: &ClusterSettings);

    /// Returns when there may be something new to read. Cancel-safe.
    fn news(&mut self) -> impl Future<Output = ()> + Send;

    /// When the lease of another instance expires, by what the last call of `lead` has seen. `None`: the engine itself
    /// lets leases expire, so there is no moment to wait for.
    fn due(&self) -> Option<Instant> {
        None
    }
}

/// A place in the log of a hub's updates, in the order of the engine. The default one is before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u64, pub(super) u64);

/// Updates of a hub.
pub(super) struct Entries {
    /// In the order of the engine.
    pub(super) updates: Vec<(Place, Vec<u8>)>,
    /// Where to read on.
    pub(super) end: Place,
}

/// The name of this instance for people: its host and process.
pub(super) fn instance_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let host = host.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
        let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
        format!("{host}:{}", std::process::id())
    })
}
