//! The facts about a request's connection.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// The two addresses of a request's connection. In your own tower stack, put one into the request's extensions; without
/// it `REMOTE_ADDR` is `0.0.0.0`, which no application trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The client.
    pub remote: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Default for ConnectionInfo {
    fn default() -> Self {
        let unknown = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));
        Self { remote: unknown, local: unknown, tls: false }
    }
}

impl ConnectionInfo {
    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &'static str {
        if self.tls { "https" } else { "http" }
    }

    /// The port that the client connected to; the default port if unknown.
    pub(super) fn local_port(&self) -> u16 {
        match self.local.port() {
            0 if self.tls => 443,
            0 => 80,
            port => port,
        }
    }
}
