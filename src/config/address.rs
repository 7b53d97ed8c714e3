//! The addresses of sites.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::context::Context;
use super::directives::is_site_directive;
use super::limits;
use super::model::Address;
use super::syntax::{Token, excerpt};
use super::tls::HttpsSettings;

/// An address, split into its parts.
struct Parts<'a> {
    scheme: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
}

/// Reads one address: `[http://|https://][HOST][:PORT]`.
pub(super) fn address(word: &Token, settings: &HttpsSettings, context: &mut Context<'_>) -> Option<Address> {
    let text = word.text.as_str();
    if is_site_directive(text) {
        let message = format!("`{text}` is a directive, but the address of a site is expected here");
        let hint = format!("write an address first, for example `:8080 {{`, and `{text}` inside its braces");
        context.error_with_hint(&word.position, message, hint);
        return None;
    }
    let parts = match cut(text) {
        Ok(parts) => parts,
        Err((reason, hint)) => {
            context.error_with_hint(&word.position, format_args!("`{}` {reason}", excerpt(text)), hint);
            return None;
        }
    };
    let port = match parts.port.map(|port| (port, super::listener::parse_port(port))) {
        None => None,
        Some((_, Some(port))) => Some(port),
        Some((port, None)) => {
            let message = format!("`{}` is not a port in the address `{}`", excerpt(port), excerpt(text));
            context.error_with_hint(&word.position, message, "write a number from 1 to 65535");
            return None;
        }
    };
    let fastcgi = parts.scheme == Some("fastcgi");
    let https = is_https(&parts, port, settings);
    let usual = if https { settings.https_port } else { settings.http_port };
    let opposite = if https { settings.http_port } else { settings.https_port };
    if let Some((reason, hint)) = contradiction(&parts, port.filter(|port| *port == opposite && opposite != usual)) {
        context.error_with_hint(&word.position, format_args!("`{}`{reason}", excerpt(text)), hint);
        return None;
    }
    let undecided = parts.scheme.is_none() && !https && port != Some(settings.http_port);
    let port = port.unwrap_or(if fastcgi { limits::FASTCGI_PORT_DEFAULT } else { usual });
    let position = word.position.clone();
    if parts.host.is_empty() {
        return Some(Address { host: None, ip: None, port, https, undecided, fastcgi, position });
    }
    let own_ip = ip(parts.host).or_else(|| fastcgi.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    if let Some(ip) = own_ip {
        return Some(Address { host: None, ip: Some(ip), port, https, undecided, fastcgi, position });
    }
    match host(parts.host) {
        Ok(host) => Some(Address { host: Some(host), ip: None, port, https, undecided, fastcgi, position }),
        Err((reason, hint)) => {
            context.error_with_hint(&word.position, format_args!("`{}` {reason}", excerpt(text)), hint);
            None
        }
    }
}

/// The host as an IP, if it is one.
fn ip(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// The error of an address, as the end of a sentence about it, and a hint.
type Refusal = (&'static str, &'static str);

const NOT_AN_ADDRESS: &str = "write for example `example.com`, `:8080` or `http://example.com:8080`";

/// Why the parts of an address exclude each other. `opposite` is its port, if that is the port of the other protocol.
fn contradiction(parts: &Parts<'_>, opposite: Option<u16>) -> Option<Refusal> {
    match parts.scheme {
        Some("fastcgi") if parts.host != "localhost" && !parts.host.is_empty() && ip(parts.host).is_none() => {
            Some((": a FastCGI address has an IP or `localhost`", "write for example `fastcgi://127.0.0.1:9000`"))
        }
        Some("http" | "https") if opposite.is_some() => {
            Some((" has the scheme of one protocol and the port of the other", "remove the scheme or the port"))
        }
        _ => None,
    }
}

fn cut(text: &str) -> Result<Parts<'_>, Refusal> {
    if text.contains('{') || text.contains('}') {
        return Err(("has a placeholder, and addresses are fixed", "only `{$NAME:default}` can stand in an address"));
    }
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme @ ("http" | "https" | "fastcgi"), rest)) => (Some(scheme), rest),
        Some(_) => return Err(("has a scheme other than `http`, `https` and `fastcgi`", NOT_AN_ADDRESS)),
        None => (None, text),
    };
    let authority = match rest.split_once('/') {
        None | Some((_, "")) => rest.trim_end_matches('/'),
        Some(_) => {
            let hint = "remove the path, and match it in front of the directives (`php_server /path*`)";
            return Err(("has a path, which is not supported in addresses", hint));
        }
    };
    let (host, port) = host_and_port(authority)?;
    if scheme.is_none() && host.is_empty() && port.is_none() {
        return Err(("is not an address", NOT_AN_ADDRESS));
    }
    Ok(Parts { scheme, host, port })
}

/// The host, with the brackets of an IPv6 address, and the text of the port if there is one.
fn host_and_port(authority: &str) -> Result<(&str, Option<&str>), Refusal> {
    if let Some(end) = authority.strip_prefix('[').and_then(|inner| inner.find(']')) {
        let (host, behind) = authority.split_at(end + 2);
        return match (behind, behind.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            _ => Err(("is not an address", NOT_AN_ADDRESS)),
        };
    }
    match authority.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => {
            Err(("has more than one colon", "write an IPv6 address in brackets: `http://[::1]:8080`"))
        }
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

/// Whether the address is served by HTTPS: by its scheme, or by its port. An address with a host or an IP can have a
/// certificate, so it is too, unless its port is that of plain HTTP. Without any of these, and with `auto_https off`, even
/// the port of HTTPS decides nothing, as in Caddy.
fn is_https(parts: &Parts<'_>, port: Option<u16>, settings: &HttpsSettings) -> bool {
    match (parts.scheme, port) {
        (Some(scheme), _) => scheme == "https",
        (None, Some(port)) if port == settings.https_port => !parts.host.is_empty() || settings.auto.addresses,
        (None, Some(port)) if port == settings.http_port => false,
        _ => !parts.host.is_empty() && settings.auto.addresses,
    }
}

/// A host name in lower case, in which whole labels may be `*`.
fn host(text: &str) -> Result<String, Refusal> {
    const HOST_BYTES_MAX: usize = 253;
    const LABEL_BYTES_MAX: usize = 63;
    if !text.is_ascii() {
        return Err(("has a host with letters beyond ASCII", "write it in Punycode (`xn--…`)"));
    }
    let is_label = |label: &str| {
        let fits = !label.is_empty() && label.len() <= LABEL_BYTES_MAX;
        fits && (label == "*" || label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)))
    };
    if text.len() > HOST_BYTES_MAX || !text.split('.').all(is_label) {
        return Err(("is not an address", NOT_AN_ADDRESS));
    }
    Ok(text.to_ascii_lowercase())
}

/// Whether two sockets of one port exclude each other: they differ, but one listens on all interfaces of the other.
#[must_use]
pub fn overlap(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    let covers = |all: Option<IpAddr>, other: Option<IpAddr>| match all {
        // Without an IP, and with `::`, a socket takes IPv4 and IPv6.
        None => true,
        Some(ip) if ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
        Some(ip) if ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED) => other.is_none_or(|other| other.is_ipv4()),
        Some(_) => false,
    };
    a != b && (covers(a, b) || covers(b, a))
}
