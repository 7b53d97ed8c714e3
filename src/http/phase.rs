//! The protocol of a socket, and the phases of its life.

use std::sync::Arc;

use crate::config::{ProxyProtocol, Timeouts};
use crate::tls::TlsEndpoint;

/// The protocol of a socket. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct ListenerSettings {
    /// Everything is encrypted, with these settings; `None`: nothing is.
    pub tls: Option<Arc<TlsEndpoint>>,
    /// Clients may speak HTTP/2 without encryption and without having asked (`h2c` with prior knowledge).
    pub h2c: bool,
    /// FastCGI is spoken instead of HTTP, to a web server in front.
    pub fastcgi: bool,
    /// The peers that may say in front of a connection which client it is for.
    pub proxy_protocol: Option<Arc<ProxyProtocol>>,
    /// How long clients may take, in addition to the bounds of every listener.
    pub timeouts: Timeouts,
}

/// How a listener's life goes: only forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// Nothing new; connections end with their current response.
    Draining,
    /// Connections end now.
    Closed,
}
