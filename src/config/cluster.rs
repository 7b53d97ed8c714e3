//! The `cluster` block: how several instances share background workers.

use std::path::PathBuf;
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

/// The engine of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Where it is.
    pub address: EngineAddress,
    /// The file with the password, which is read for each connection.
    pub password_file: Option<PathBuf>,
    /// The file with the token and the key of a user of NATS, which is read for each connection.
    pub credentials_file: Option<PathBuf>,
    /// The file with the password of the Sentinels themselves, and their user, if it is not the default one.
    pub sentinel_password: Option<(PathBuf, Option<String>)>,
    /// The file with the authorities that its certificates are checked by, in the place of those of the system.
    pub authority: Option<PathBuf>,
    /// The files with the certificate that this instance shows, and with its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Where an engine is, and who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineAddress {
    /// One server of Redis, or of what speaks its protocol: `redis://USER:PASSWORD@HOST:PORT/NUMBER`, or `rediss://` with
    /// TLS.
    Redis(Password),
    /// The primary that Sentinels name.
    Sentinel {
        /// Whether the Sentinels and the servers are reached by TLS.
        tls: bool,
        /// Name and port of each Sentinel; the next is asked when one does not answer.
        sentinels: Vec<(String, u16)>,
        /// What they call the primary and its replicas.
        service: String,
        /// Of the database.
        number: i64,
        /// Of the primary.
        credentials: Credentials,
    },
    /// The members of an etcd.
    Etcd {
        /// The first one is asked first.
        members: Vec<EngineHost>,
        /// Of all members.
        credentials: Credentials,
    },
    /// The servers of a NATS with JetStream.
    Nats {
        /// The first one is asked first.
        servers: Vec<EngineHost>,
        /// Of all servers. A user without a password is a token.
        credentials: Credentials,
    },
}

/// One server of several, each of which knows the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineHost {
    /// Whether it is reached by TLS.
    pub tls: bool,
    /// Its name or address; of IPv6 in brackets.
    pub host: String,
    /// Of its clients.
    pub port: u16,
}

/// A user of an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `None`: the engine asks for none.
    pub user: Option<String>,
    /// `None`: none, or that of a file.
    pub password: Option<Password>,
}

impl EngineSettings {
    /// An engine at this address, without files.
    #[must_use]
    pub fn at(address: EngineAddress) -> Self {
        Self {
            address,
            password_file: None,
            credentials_file: None,
            sentinel_password: None,
            authority: None,
            certificate: None,
        }
    }

    /// The bytes of the largest `max_bytes`.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        match self.address {
            EngineAddress::Redis(_) | EngineAddress::Sentinel { .. } => limits::CLUSTER_BYTES_MAX,
            EngineAddress::Etcd { .. } => limits::CLUSTER_ETCD_BYTES_MAX,
            EngineAddress::Nats { .. } => limits::CLUSTER_NATS_BYTES_MAX,
        }
    }

    /// Whether both are engines of one kind, so that both can hold the same state.
    fn is_as(&self, other: &Self) -> bool {
        let kind = |settings: &Self| match settings.address {
            EngineAddress::Redis(_) | EngineAddress::Sentinel { .. } => 0,
            EngineAddress::Etcd { .. } => 1,
            EngineAddress::Nats { .. } => 2,
        };
        kind(self) == kind(other)
    }
}

impl ClusterSettings {
    /// Whether both name the same state in an engine of the same kind: a leader can go on with the other settings.
    #[must_use]
    pub fn continues(&self, other: &Self) -> bool {
        self.prefix == other.prefix && self.engine.is_as(&other.engine)
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
