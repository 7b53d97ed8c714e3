//! The host and the URI that a request asks for (pure).

use http::{HeaderValue, Version, header, request};

use super::routing;

/// The host that the request is for, without port.
///
/// # Errors
/// When an HTTP/1.1 request names none, or several, or one that is no host name (RFC 9112, 3.2).
pub(super) fn requested_host(parts: &request::Parts) -> Result<&str, &'static str> {
    let is_single = parts.headers.get_all(header::HOST).iter().nth(1).is_none();
    let authority = requested_authority(parts);
    match authority {
        Some(authority) if is_single && authority.bytes().all(is_host_byte) => {
            Ok(routing::host_without_port(authority))
        }
        None if parts.version < Version::HTTP_11 && is_single && !parts.headers.contains_key(header::HOST) => Ok(""),
        _ => Err("this request does not name one valid host\n"),
    }
}

/// The URI's authority, which wins (RFC 9112, 3.2.2), or the `Host` header.
pub(super) fn requested_authority(parts: &request::Parts) -> Option<&str> {
    match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// Puts the URI's authority in the place of the `Host` header, so that scripts, matchers and the log see the host that the
/// site was chosen by. In HTTP/2 the authority is usually all that there is.
pub(super) fn adopt_authority(parts: &mut request::Parts) {
    // What a URI's authority may consist of, a header value may, too.
    if let Some(Ok(authority)) = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str())) {
        parts.headers.insert(header::HOST, authority);
    }
}

/// The path and query; for a proxy-style request (`GET http://host/path`) without scheme and host.
pub(super) fn requested_uri(parts: &request::Parts) -> &str {
    parts.uri.path_and_query().map_or("/", |path| path.as_str())
}

/// What a host and port may consist of: the host of RFC 3986 and no user name, no slash, no blank.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(&byte)
}
