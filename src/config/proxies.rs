//! Finds the client of a request that came through proxies.

use std::net::IpAddr;
use std::time::Duration;

use super::matcher::IpRange;
use super::request::RequestView;

/// The proxies that are trusted to report the client's address: `trusted_proxies` and its relatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    /// The addresses of the proxies. Empty: none is trusted.
    pub ranges: Vec<IpRange>,
    /// Whether the peers of Unix sockets are trusted, too. They have no address, so theirs is 0.0.0.0.
    pub unix: bool,
    /// The header fields that name the client, in lower case and in order of preference.
    pub headers: Vec<String>,
    /// Whether the addresses of a field are read from the right, up to the first that is not a trusted proxy. Otherwise
    /// the first one counts, which a client can forge unless the first proxy removes the client's field.
    pub strict: bool,
    /// The proxies that announce the client at the start of a connection; `None`: connections are not checked for that.
    pub protocol: Option<ProxyProtocol>,
}

/// The PROXY protocol, versions 1 and 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// The peers that may start a connection with a header. Connections of other peers are not checked.
    pub allowed: Vec<IpRange>,
    /// How long the header may take.
    pub timeout: Duration,
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self {
            ranges: Vec::new(),
            unix: false,
            headers: vec!["x-forwarded-for".to_owned()],
            strict: false,
            protocol: None,
        }
    }
}

impl TrustedProxies {
    /// The client's address: the peer's, or the one that a trusted peer reports.
    #[must_use]
    pub fn client_ip(&self, request: &dyn RequestView) -> IpAddr {
        let peer = request.remote().ip().to_canonical();
        if !self.is_trusted(peer) {
            return peer;
        }
        self.headers.iter().find_map(|name| self.reported(name, request)).unwrap_or(peer)
    }

    /// Whether no peer is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && !self.unix
    }

    /// Whether this is the address of a trusted proxy.
    #[must_use]
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.unix && address.is_unspecified() || self.ranges.iter().any(|range| range.contains(address))
    }

    /// The client that a header field names.
    fn reported(&self, name: &str, request: &dyn RequestView) -> Option<IpAddr> {
        let mut addresses = Vec::new();
        request.any_header(name, &mut |value| {
            addresses.extend(value.split(',').filter_map(|part| address(part.trim())));
            false
        });
        if self.strict {
            addresses.iter().rev().copied().find(|address| !self.is_trusted(*address))
        } else {
            addresses.first().copied()
        }
    }
}

/// An address, which may have a port or brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').split([']', '%']).next().unwrap_or(text);
    let found = bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    found.map(|address: IpAddr| address.to_canonical())
}
