//! The host and the URI that a request names (pure).

use http::{HeaderValue, Method, StatusCode, Version, header, request};
use std::net::Ipv6Addr;

use super::routing;

/// Why a request is not answered by any handler.
pub(super) type Refused = (StatusCode, &'static str);

const NO_HOST: Refused = (StatusCode::BAD_REQUEST, "this request does not name one valid host\n");
const NO_TARGET: Refused = (StatusCode::BAD_REQUEST, "the target of this request is not a path\n");
const REPEATED_CODING: Refused = (StatusCode::BAD_REQUEST, "the body of this request is chunked more than once\n");
const UNKNOWN_CODING: Refused = (StatusCode::NOT_IMPLEMENTED, "this server knows no transfer coding but chunked\n");

/// The host that the request is for, without port.
///
/// # Errors An HTTP/1.1 request names none or several, or its name is not a host and port (RFC 9112, 3.2). Its target
/// has a form that its method does not allow. Its body has a transfer coding that hyper does not decode.
pub(super) fn requested_host(parts: &request::Parts) -> Result<&str, Refused> {
    check_target(parts)?;
    check_transfer_encoding(parts)?;
    let is_single = parts.headers.get_all(header::HOST).iter().nth(1).is_none();
    let authority = requested_authority(parts);
    match authority {
        Some(authority) if is_single && is_authority(authority) => Ok(routing::host_without_port(authority)),
        None if parts.version < Version::HTTP_11 && is_single && !parts.headers.contains_key(header::HOST) => Ok(""),
        _ => Err(NO_HOST),
    }
}

/// `a.test:80` is for `CONNECT` alone, and `*` for `OPTIONS` (RFC 9112, 3.2.3 and 3.2.4).
fn check_target(parts: &request::Parts) -> Result<(), Refused> {
    let uri = &parts.uri;
    let is_authority_form = uri.scheme().is_none() && uri.authority().is_some();
    if (is_authority_form && parts.method != Method::CONNECT) || (uri.path() == "*" && parts.method != Method::OPTIONS)
    {
        return Err(NO_TARGET);
    }
    Ok(())
}

/// hyper decodes chunked if it is the last coding, and does not decode the others (RFC 9112, 6.1).
fn check_transfer_encoding(parts: &request::Parts) -> Result<(), Refused> {
    let mut lines = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    if lines.next().is_none() && first.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut codings = parts
        .headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    let is_chunked =
        |coding: &[u8]| matches!(coding.trim_ascii(), []) || coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
    Err(if codings.all(is_chunked) { REPEATED_CODING } else { UNKNOWN_CODING })
}

/// The URI's authority, which wins (RFC 9112, 3.2.2), or the `Host` header.
pub(super) fn requested_authority(parts: &request::Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// Replaces the `Host` header by the URI's authority, so that scripts, matchers and the log see the host that selected
/// the site. HTTP/2 requests usually have only the authority.
pub(super) fn adopt_authority(parts: &mut request::Parts) {
    // Every character of a URI's authority is valid in a header value.
    if let Some(Ok(authority)) = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str())) {
        parts.headers.insert(header::HOST, authority);
    }
}

/// The path and query; for a proxy-style request (`GET http://host/path`) without scheme and host.
pub(super) fn requested_uri(parts: &request::Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

/// Whether this is a host, possibly with a port (RFC 3986, 3.2.2 and 3.2.3), without user name. It may be empty.
fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            ("", port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    host.bytes().all(is_host_byte) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// The port after the colon may be empty.
fn is_port(port: &str) -> bool {
    port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// The characters of a host name: no user name, no slash, no blank.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte)
}
