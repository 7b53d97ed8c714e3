//! Decides which requests the admin interface answers. Like Caddy's, it has no passwords: everyone who can reach the
//! address may use it. A web page in a browser on the same machine must not.
//!
//! A page could use its own host name that resolves to this machine (DNS rebinding); then that name is in `Host`.
//! Or it could post to `localhost`; then the browser names the page in `Origin`.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use std::net::{IpAddr, SocketAddr};

/// Whether to answer a request with these headers, received on `local` (`None`: a Unix socket).
///
/// # Errors The reason of the refusal, and what to do.
pub(super) fn check(headers: &HeaderMap, local: Option<SocketAddr>) -> Result<(), String> {
    // Different readers would choose a different one of two.
    if let Some(name) = [HOST, ORIGIN].iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(format!("the request has more than one `{name}`"));
    }
    let host = headers.get(HOST).map_or(Ok(""), HeaderValue::to_str).unwrap_or_default();
    if let Some(address) = local
        && !host_is_ours(host, address.ip())
    {
        return Err(format!(
            "the Host `{host}` is not this interface: ask by its address, for example http://{address}, so that no web page \
             can reach it through a name of its own"
        ));
    }
    match headers.get(ORIGIN).map(HeaderValue::as_bytes) {
        None => Ok(()),
        Some(origin) if local.is_some() && origin.strip_prefix(b"http://") == Some(host.as_bytes()) => Ok(()),
        Some(origin) => Err(refused_page(origin)),
    }
}

fn refused_page(origin: &[u8]) -> String {
    let origin = String::from_utf8_lossy(origin);
    format!("a page of `{origin}` may not use this interface: ask without a browser")
}

/// An interface that is open to every host may be called by any name. The port does not matter: it may be
/// another one behind a tunnel.
fn host_is_ours(host: &str, listening: IpAddr) -> bool {
    if listening.is_unspecified() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        // Not a colon inside an IPv6 address.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if listening.is_loopback() && name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse().is_ok_and(|ip: IpAddr| ip == listening || (ip.is_loopback() && listening.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_answered(local: &str, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().expect("a header"));
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("a header"));
        }
        check(&headers, local.parse().ok()).is_ok()
    }

    #[test]
    fn names_of_others_are_refused() {
        let own = "127.0.0.1:2019";
        for host in ["localhost:2019", "LOCALHOST", "127.0.0.1:2019", "127.0.0.1", "[::1]:2019", "localhost:9000"] {
            assert!(is_answered(own, host, None), "{host}");
        }
        for host in
            ["", "evil.example", "evil.example:2019", "localhost.evil.example", "10.0.0.1:2019", "[::1", "::1:x"]
        {
            assert!(!is_answered(own, host, None), "{host}");
        }
        assert!(is_answered("10.0.0.1:2019", "10.0.0.1:2019", None));
        assert!(!is_answered("10.0.0.1:2019", "localhost:2019", None));
        assert!(is_answered("[::]:2019", "igor:2019", None), "everybody may ask, by any name");
        assert!(is_answered("a Unix socket", "igor", None));
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused() {
        for (name, first, second) in
            [(HOST, "localhost", "evil.example"), (ORIGIN, "http://localhost", "http://evil.example")]
        {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost"));
            headers.insert(&name, HeaderValue::from_static(first));
            assert!(check(&headers, "127.0.0.1:2019".parse().ok()).is_ok(), "{name}");
            headers.append(&name, HeaderValue::from_static(second));
            assert!(check(&headers, "127.0.0.1:2019".parse().ok()).is_err(), "{name}");
        }
    }

    #[test]
    fn pages_of_others_are_refused() {
        let own = "127.0.0.1:2019";
        assert!(is_answered(own, "localhost:2019", Some("http://localhost:2019")));
        for origin in ["http://evil.example", "null", "https://localhost:2019", "http://localhost:3000"] {
            assert!(!is_answered(own, "localhost:2019", Some(origin)), "{origin}");
        }
        assert!(!is_answered("[::]:2019", "igor:2019", Some("http://evil.example")));
        assert!(!is_answered("a Unix socket", "igor", Some("http://igor")));
    }
}
