//! The `cluster` block: how several instances share background workers.

use std::time::Duration;

use super::limits;
use super::secret::Password;

/// The settings of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSettings {
    /// What holds the state.
    pub engine: EngineSettings,
    /// The first part of every name in the engine: instances with the same one belong together.
    pub prefix: String,
    /// How long a leader may be silent before another instance takes its place.
    pub lease: Duration,
    /// The bytes of the largest snapshot.
    pub max_bytes: usize,
}

/// The engine of a cluster: Redis, or what speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// The address with the credentials, as `redis://USER:PASSWORD@HOST:PORT/NUMBER`.
    pub url: Password,
}

impl ClusterSettings {
    /// Whether both name the same state in an engine of the same kind: a leader can go on with the other settings.
    #[must_use]
    pub fn continues(&self, other: &Self) -> bool {
        self.prefix == other.prefix
    }

    /// The defaults for an engine.
    #[must_use]
    pub fn of(engine: EngineSettings) -> Self {
        Self {
            engine,
            prefix: limits::CLUSTER_PREFIX_DEFAULT.to_owned(),
            lease: limits::CLUSTER_LEASE_DEFAULT,
            max_bytes: limits::CLUSTER_BYTES_DEFAULT,
        }
    }
}
