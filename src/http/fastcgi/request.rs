//! Converts the parameters of a FastCGI request to a request and its script (pure, except that it checks files).
//!
//! A web server sends the parameters of php-fpm: `SCRIPT_FILENAME` names the script, and all parameters become
//! `$_SERVER`. If that file does not exist, the path after the nearest existing file is `PATH_INFO`, as with PHP's
//! `cgi.fix_pathinfo`. Most configurations rely on that.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header, request};

use crate::exchange::Pairs;
use crate::http::connection::ConnectionInfo;
use crate::http::params::Params;
use crate::http::routing::Script;
use crate::http::settings::PhpRoute;

/// Why a request is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotRun {
    /// The method, the URI or a field is not valid.
    Malformed,
    /// There is no such script.
    NoScript,
    /// PHP may not run this file: the message is php-fpm's.
    Denied,
}

/// A request, ready to run.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) parts: request::Parts,
    pub(super) connection: ConnectionInfo,
    pub(super) host: String,
    pub(super) body_bytes: u64,
    pub(super) script: Result<Script, NotRun>,
}

/// Reads the parameters.
pub(super) fn describe(sent: &[(&[u8], &[u8])], php: &PhpRoute) -> Result<Described, NotRun> {
    let mut params =
        Pairs::with_capacity(sent.len() + 4, sent.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
    for (name, value) in last_of_each(sent) {
        // `HTTP_PROXY` would configure HTTP clients (httpoxy). A NUL would truncate the name or value.
        if name != b"HTTP_PROXY" && !name.is_empty() && !name.contains(&0) && !value.contains(&0) {
            params.push(name, value);
        }
    }
    let parts = parts(&params)?;
    let script = script(&mut params, php);
    let host = text(&params, b"SERVER_NAME").to_owned();
    let connection = connection(&params);
    let body_bytes = text(&params, b"CONTENT_LENGTH").parse().unwrap_or(0);
    if params.get(b"PHP_SELF").is_none() {
        let own =
            [params.get(b"SCRIPT_NAME").unwrap_or_default(), params.get(b"PATH_INFO").unwrap_or_default()].concat();
        params.push(b"PHP_SELF", &own);
    }
    params.set(b"FCGI_ROLE", b"RESPONDER");
    for (name, value) in &php.settings.env {
        params.set(name.as_bytes(), value.as_bytes());
    }
    let mut parts = parts;
    parts.extensions.insert(Params(params));
    Ok(Described { parts, connection, host, body_bytes, script })
}

/// The parameters in the order of their first mention, each with its last value, as in php-fpm. A search for each name would
/// cost the square of their number, which only [`crate::limits::FASTCGI_PARAMS_BYTES_MAX`] bounds.
fn last_of_each<'s>(sent: &[(&'s [u8], &'s [u8])]) -> Vec<(&'s [u8], &'s [u8])> {
    let mut places: HashMap<&[u8], usize> = HashMap::with_capacity(sent.len());
    let mut params: Vec<(&[u8], &[u8])> = Vec::with_capacity(sent.len());
    for &(name, value) in sent {
        match places.entry(name) {
            Entry::Occupied(place) => params[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(params.len());
                params.push((name, value));
            }
        }
    }
    params
}

fn text<'p>(params: &'p Pairs, name: &[u8]) -> &'p str {
    params.get(name).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default()
}

fn parts(params: &Pairs) -> Result<request::Parts, NotRun> {
    let malformed = |_| NotRun::Malformed;
    let method = Method::from_bytes(params.get(b"REQUEST_METHOD").unwrap_or(b"GET")).map_err(|_| NotRun::Malformed)?;
    // No web server passes on a target with blanks or control characters.
    if params.get(b"REQUEST_URI").is_some_and(|uri| uri.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)) {
        return Err(NotRun::Malformed);
    }
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = method;
    parts.uri = Uri::try_from(uri(params)).map_err(malformed)?;
    parts.version = match text(params, b"SERVER_PROTOCOL") {
        "HTTP/1.0" => Version::HTTP_10,
        "HTTP/2.0" => Version::HTTP_2,
        "HTTP/3.0" => Version::HTTP_3,
        _ => Version::HTTP_11,
    };
    for (name, value) in params.iter() {
        let name = match name {
            b"CONTENT_TYPE" => header::CONTENT_TYPE,
            b"CONTENT_LENGTH" => header::CONTENT_LENGTH,
            _ => {
                let Some(field) = name.strip_prefix(b"HTTP_") else { continue };
                // Web servers send them once more under their own names. Those count, as for php-fpm.
                if matches!(field, b"CONTENT_TYPE" | b"CONTENT_LENGTH") {
                    continue;
                }
                let field: Vec<u8> = field.iter().map(|&byte| if byte == b'_' { b'-' } else { byte }).collect();
                HeaderName::from_bytes(&field).map_err(|_| NotRun::Malformed)?
            }
        };
        if !value.is_empty() {
            parts.headers.append(name, HeaderValue::from_bytes(value).map_err(|_| NotRun::Malformed)?);
        }
    }
    Ok(parts)
}

/// The client's URI; built from the script's name if the web server does not send it.
fn uri(params: &Pairs) -> Vec<u8> {
    if let Some(uri) = params.get(b"REQUEST_URI").filter(|uri| uri.starts_with(b"/")) {
        return uri.to_vec();
    }
    let mut uri = params.get(b"SCRIPT_NAME").filter(|name| name.starts_with(b"/")).unwrap_or(b"/").to_vec();
    if let Some(query) = params.get(b"QUERY_STRING").filter(|query| !query.is_empty()) {
        uri.push(b'?');
        uri.extend_from_slice(query);
    }
    uri
}

fn connection(params: &Pairs) -> ConnectionInfo {
    let unknown = ConnectionInfo::default();
    let address = |ip: &[u8], port: &[u8], unknown: SocketAddr| {
        let ip = text(params, ip).parse::<IpAddr>().ok();
        ip.map_or(unknown, |ip| SocketAddr::new(ip, text(params, port).parse().unwrap_or(0)))
    };
    let https = text(params, b"HTTPS");
    ConnectionInfo {
        remote: address(b"REMOTE_ADDR", b"REMOTE_PORT", unknown.remote),
        local: address(b"SERVER_ADDR", b"SERVER_PORT", unknown.local),
        tls: !https.is_empty() && !https.eq_ignore_ascii_case("off"),
    }
}

/// Finds the script, and corrects the parameters that name it.
fn script(params: &mut Pairs, php: &PhpRoute) -> Result<Script, NotRun> {
    let named = params.get(b"SCRIPT_FILENAME").ok_or(NotRun::NoScript)?;
    let named = PathBuf::from(OsStr::from_bytes(&of_apache(named)));
    if !named.is_absolute() {
        return Err(NotRun::NoScript);
    }
    let (file, after) = nearest_file(&named).ok_or(NotRun::NoScript)?;
    let lower = file.as_os_str().as_bytes().to_ascii_lowercase();
    if !php.settings.split_path.iter().any(|suffix| lower.ends_with(suffix.as_bytes())) {
        return Err(NotRun::Denied);
    }
    if !after.is_empty() {
        if let Some(name) = params.get(b"SCRIPT_NAME").and_then(|name| name.strip_suffix(after.as_slice())) {
            let name = name.to_vec();
            params.set(b"SCRIPT_NAME", &name);
        }
        params.set(b"PATH_INFO", &after);
    }
    params.set(b"SCRIPT_FILENAME", file.as_os_str().as_bytes());
    let worker = php.workers.iter().position(|worker| worker.script == file);
    let name = params.get(b"SCRIPT_NAME").unwrap_or_default().to_vec();
    let path_info = params.get(b"PATH_INFO").unwrap_or_default().to_vec();
    Ok(Script { file, name, path_info, worker })
}

/// The path in the value of Apache's `mod_proxy_fcgi`, which adds the proxy's address before it and the query after it.
fn of_apache(named: &[u8]) -> Vec<u8> {
    let prefixes: [&[u8]; 2] = [b"proxy:fcgi://", b"proxy:balancer://"];
    let Some(rest) = prefixes.iter().find_map(|prefix| named.strip_prefix(*prefix)) else { return named.to_vec() };
    let path = rest.iter().position(|&byte| byte == b'/').map_or(&rest[rest.len()..], |slash| &rest[slash..]);
    path.split(|&byte| byte == b'?').next().unwrap_or_default().to_vec()
}

/// The file that a path or a prefix of it names, and the rest of the path.
fn nearest_file(path: &Path) -> Option<(PathBuf, Vec<u8>)> {
    let whole = path.as_os_str().as_bytes();
    let mut end = whole.len();
    loop {
        let candidate = Path::new(OsStr::from_bytes(&whole[..end]));
        if candidate.is_file() {
            let file = std::ffi::OsString::from_vec(whole[..end].to_vec());
            return Some((PathBuf::from(file), whole[end..].to_vec()));
        }
        end = whole[..end].iter().rposition(|&byte| byte == b'/').filter(|&slash| slash > 0)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apache_puts_around_the_path_is_taken_off() {
        for (sent, path) in [
            (&b"/var/www/a.php"[..], &b"/var/www/a.php"[..]),
            (b"proxy:fcgi://127.0.0.1:9000/var/www/a.php?x=1", b"/var/www/a.php"),
            (b"proxy:fcgi://localhost/var/www/a.php/info", b"/var/www/a.php/info"),
            (b"proxy:balancer://cluster/a.php", b"/a.php"),
            (b"proxy:fcgi://nothing", b""),
        ] {
            assert_eq!(of_apache(sent), path);
        }
    }

    #[test]
    fn what_follows_a_file_is_path_info() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.php");
        std::fs::write(&file, "").expect("a file");
        let found = |behind: &str| nearest_file(Path::new(&format!("{}{behind}", file.display())));
        assert_eq!(found(""), Some((file.clone(), Vec::new())));
        assert_eq!(found("/b/c"), Some((file.clone(), b"/b/c".to_vec())));
        assert_eq!(found(".bak"), None);
        assert_eq!(nearest_file(folder.path()), None);
    }
}
