//! The PROXY protocol, versions 1 and 2: a header by which a proxy in front announces the client of a connection.

use std::io;
use std::net::SocketAddr;

use ppp::{HeaderResult, PartialResult, v1, v2};
use tokio::io::AsyncRead;

use super::connection::ConnectionInfo;
use super::stream::Ahead;
use crate::config::ProxyProtocol;
use crate::limits;

/// The first bytes of each version's header.
const BEGINNINGS: [&[u8]; 2] = [b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"];

/// Why a header is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadHeader {
    #[error("reading the PROXY header: {0}")]
    Io(#[from] io::Error),
    #[error("the PROXY header is none: {0}")]
    Malformed(String),
    #[error("the PROXY header is longer than {} bytes", limits::PROXY_HEADER_BYTES_MAX)]
    TooLong,
}

/// Reads the header from the stream if the peer is trusted and sends one, and replaces the connection's addresses.
///
/// # Errors The header is incomplete, too long or invalid.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut Ahead<S>,
    info: &mut ConnectionInfo,
    rules: &ProxyProtocol,
) -> Result<(), BadHeader> {
    let peer = info.remote.ip().to_canonical();
    if !rules.allowed.iter().any(|range| range.contains(peer)) {
        return Ok(());
    }
    loop {
        if !may_begin(stream.ahead()) {
            return Ok(());
        }
        if is_begun(stream.ahead())
            && let Some((length, addresses)) = parsed(stream.ahead())?
        {
            stream.pass(length);
            if let Some((client, here)) = addresses {
                (info.remote, info.local) = (client, here);
            }
            return Ok(());
        }
        let room = limits::PROXY_HEADER_BYTES_MAX.saturating_sub(stream.ahead().len());
        if room == 0 {
            return Err(BadHeader::TooLong);
        }
        if stream.read_ahead(room).await? == 0 {
            return Ok(());
        }
    }
}

/// Whether a header may start with these bytes, possibly only a few so far.
fn may_begin(bytes: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| {
        let count = bytes.len().min(beginning.len());
        bytes[..count] == beginning[..count]
    })
}

/// Whether these bytes start like a header of either version.
fn is_begun(bytes: &[u8]) -> bool {
    BEGINNINGS.iter().any(|beginning| bytes.starts_with(beginning))
}

/// The length of the header, and the addresses of the client and of its target, unless the proxy itself is the client.
/// `None`: it is not complete yet.
type Parsed = Option<(usize, Option<(SocketAddr, SocketAddr)>)>;

fn parsed(bytes: &[u8]) -> Result<Parsed, BadHeader> {
    let result = HeaderResult::parse(bytes);
    if result.is_incomplete() {
        return Ok(None);
    }
    match result {
        HeaderResult::V1(Ok(header)) => {
            let addresses = match header.addresses {
                v1::Addresses::Tcp4(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                v1::Addresses::Tcp6(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                v1::Addresses::Unknown => None,
            };
            Ok(Some((header.header.len(), addresses)))
        }
        HeaderResult::V2(Ok(header)) => {
            let addresses = match header.addresses {
                _ if header.command == v2::Command::Local => None,
                v2::Addresses::IPv4(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                v2::Addresses::IPv6(ip) => Some((
                    (ip.source_address, ip.source_port).into(),
                    (ip.destination_address, ip.destination_port).into(),
                )),
                v2::Addresses::Unix(_) | v2::Addresses::Unspecified => None,
            };
            Ok(Some((header.len(), addresses)))
        }
        HeaderResult::V1(Err(error)) => Err(BadHeader::Malformed(error.to_string())),
        HeaderResult::V2(Err(error)) => Err(BadHeader::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(pieces: &[&[u8]], allowed: &str) -> (Result<(), BadHeader>, ConnectionInfo, Vec<u8>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let (mut proxy, server) = tokio::io::duplex(1 << 20);
            for piece in pieces {
                proxy.write_all(piece).await.expect("it is taken");
            }
            drop(proxy);
            let mut info = ConnectionInfo { remote: "127.0.0.1:5".parse().expect("an address"), ..Default::default() };
            let allowed = crate::config::IpRange::parse(allowed).into_iter().collect();
            let rules = ProxyProtocol { allowed, timeout: std::time::Duration::from_secs(30) };
            let mut stream = Ahead::new(server);
            let outcome = read(&mut stream, &mut info, &rules).await;
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.expect("it ends");
            (outcome, info, rest)
        })
    }

    const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x7f\0\0\x01\x30\x39\0\x50";

    #[test]
    fn headers_of_trusted_proxies() {
        for header in [&b"PROXY TCP4 192.0.2.7 127.0.0.1 12345 80\r\n"[..], VERSION_2] {
            let (outcome, info, rest) = read_all(&[header, b"GET / HTTP/1.1\r\n"], "127.0.0.0/8");
            outcome.expect("a header");
            assert_eq!(
                (info.remote.to_string(), info.local.to_string()),
                ("192.0.2.7:12345".into(), "127.0.0.1:80".into())
            );
            assert_eq!(rest, b"GET / HTTP/1.1\r\n");
            let (_, info, rest) = read_all(&[header], "10.0.0.0/8");
            assert_eq!((info.remote.port(), rest.as_slice()), (5, header), "the peer is not trusted");
        }
        let local = [b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice(), b"rest"];
        let (outcome, info, rest) = read_all(&local, "127.0.0.1");
        assert!(outcome.is_ok() && info.remote.port() == 5 && rest == b"rest");
    }

    #[test]
    fn what_is_no_header_stays_or_is_refused() {
        for request in [&b"PROPFIND / HTTP/1.1\r\n"[..], b"POST / HTTP/1.1\r\n", b"\x16\x03\x01", b"PR", b""] {
            let (outcome, info, rest) = read_all(&[request], "127.0.0.1");
            assert!(outcome.is_ok() && info.remote.port() == 5 && rest == request);
        }
        let endless = [b"PROXY TCP4 ".as_slice(), &[b'1'; 8000]].concat();
        for bad in [&b"PROXY TCP4 300.0.0.1 x 1 2\r\n"[..], b"PROXY NONE\r\n", &endless] {
            assert!(read_all(&[bad], "127.0.0.1").0.is_err());
        }
    }
}
