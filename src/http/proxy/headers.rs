//! The header fields that a proxy adds and removes (pure).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request;

use std::net::IpAddr;
use std::time::Duration;

use crate::http::connection::ConnectionInfo;
use crate::http::response_head::is_connection_field;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(in crate::http) struct Sender {
    pub(in crate::http) connection: ConnectionInfo,
    /// The client, as trusted proxies report it.
    pub(in crate::http) client_ip: IpAddr,
    /// Whether the peer is a trusted proxy.
    pub(in crate::http) is_trusted: bool,
    /// The most bytes of the body that are passed on.
    pub(in crate::http) body_bytes_max: u64,
    /// The time limit for receiving the body.
    pub(in crate::http) body_read_max: Option<Duration>,
}

/// Prepares the head of a request for the upstream. The client's own statements about its address are replaced, unless
/// it is a trusted proxy: the upstream trusts these fields.
pub(super) fn forward(parts: &mut request::Parts, sender: &Sender, is_upgrade: bool) {
    let upgrade = parts.headers.get(header::UPGRADE).cloned().filter(|_| is_upgrade);
    let takes_trailers =
        parts.headers.get_all(header::TE).iter().any(|value| {
            value.to_str().is_ok_and(|te| te.split(',').any(|te| te.trim().eq_ignore_ascii_case("trailers")))
        });
    remove_hop_by_hop(&mut parts.headers);
    if takes_trailers {
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocol) = upgrade {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(header::UPGRADE, protocol);
    }
    // This server answers `Expect` when the upstream reads the body.
    parts.headers.remove(header::EXPECT);
    let peer = sender.connection.remote.ip().to_canonical();
    let before = if sender.is_trusted { joined(&parts.headers, &FORWARDED_FOR) } else { String::new() };
    let chain = if before.is_empty() { peer.to_string() } else { format!("{before}, {peer}") };
    if let Ok(chain) = HeaderValue::try_from(chain) {
        parts.headers.insert(FORWARDED_FOR, chain);
    }
    let host = parts.headers.get(header::HOST).cloned();
    let scheme = HeaderValue::from_static(sender.connection.scheme());
    for (name, own) in [(FORWARDED_PROTO, Some(scheme)), (FORWARDED_HOST, host)] {
        match own {
            _ if sender.is_trusted && parts.headers.contains_key(&name) => {}
            Some(value) => drop(parts.headers.insert(name, value)),
            None => drop(parts.headers.remove(name)),
        }
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.collect::<Vec<_>>().join(", ")
}

/// Prepares the head of a response for the client.
pub(super) fn back(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
}

/// Removes the fields of a single connection (RFC 9110, 7.6.1), and those that `Connection` names.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<HeaderName> =
        named.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse().ok()).collect();
    named.iter().for_each(|name| drop(headers.remove(name)));
    headers.remove(header::CONNECTION);
    headers.remove(header::PROXY_AUTHENTICATE);
    headers.remove(header::PROXY_AUTHORIZATION);
    let of_hop: Vec<HeaderName> = headers.keys().filter(|name| is_connection_field(name)).cloned().collect();
    of_hop.iter().for_each(|name| drop(headers.remove(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_head() {
        let request = http::Request::get("/a")
            .header("host", "a.test:81")
            .header("connection", "keep-alive, X-Secret")
            .header("x-secret", "s")
            .header("keep-alive", "timeout=5")
            .header("te", "trailers, deflate")
            .header("upgrade", "h2c")
            .header("x-forwarded-for", "6.6.6.6")
            .header("x-forwarded-proto", "https")
            .header("x-other", "1");
        let mut parts = request.body(()).expect("a request").into_parts().0;
        let connection =
            ConnectionInfo { remote: "[::ffff:192.0.2.1]:5".parse().expect("an address"), ..ConnectionInfo::default() };
        let client_ip = connection.remote.ip();
        let mut trusted = parts.clone();
        forward(
            &mut parts,
            &Sender { connection, client_ip, is_trusted: false, body_bytes_max: u64::MAX, body_read_max: None },
            false,
        );
        forward(
            &mut trusted,
            &Sender { connection, client_ip, is_trusted: true, body_bytes_max: u64::MAX, body_read_max: None },
            false,
        );
        assert_eq!(trusted.headers["x-forwarded-for"], "6.6.6.6, 192.0.2.1");
        assert_eq!(trusted.headers["x-forwarded-proto"], "https");
        let mut left: Vec<String> =
            parts.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
        left.sort();
        assert_eq!(
            left,
            [
                "host: a.test:81",
                "te: trailers",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-host: a.test:81",
                "x-forwarded-proto: http",
                "x-other: 1",
            ]
        );
    }
}
