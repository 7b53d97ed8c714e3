//! The protocol of a socket, and the phases of its life.

use std::sync::Arc;

use crate::config::{ProxyProtocol, Timeouts};
use crate::tls::TlsEndpoint;

/// The protocol of a socket. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct ListenerSettings {
    /// Everything is encrypted, with these settings; `None`: nothing is.
    pub tls: Option<Arc<TlsEndpoint>>,
    /// Clients may use HTTP/2 without encryption and without an upgrade (`h2c` with prior knowledge).
    pub h2c: bool,
    /// Clients may also use HTTP/3, at the UDP port of the same number.
    pub h3: bool,
    /// FastCGI instead of HTTP, for a web server in front.
    pub fastcgi: bool,
    /// The peers that may announce the client at the start of a connection.
    pub proxy_protocol: Option<Arc<ProxyProtocol>>,
    /// The configured time limits for clients, in addition to the bounds of every listener.
    pub timeouts: Timeouts,
    /// The most bytes of a request's head; `None`: the bound of every listener.
    pub head_bytes_max: Option<usize>,
}

/// The phases of a listener, in order; there is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// No new connections; open ones end with their current response.
    Draining,
    /// Connections end now.
    Closed,
}
