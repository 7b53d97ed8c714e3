//! Placeholders: words in braces that stand for a fact of the request (`{host}`,
//! `{http.request.uri.query.page}`).
//!
//! The names are Caddy's, long and short. Results of matchers and handlers are stored under their long names
//! ([`RequestView::store`]), so a new handler needs no new kind of placeholder.

mod names;

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{SystemTime, UNIX_EPOCH};

use super::calendar::Moment;
use super::request::{RequestView, directory_of, file_of};
use super::uri::{decoded, encoded_query_value, query_values};
pub(super) use names::advice;
use names::{CLOSED, FACTS, OF_RESPONSES, SHORT_NAMES, SHORT_PREFIXES, STORED_PREFIXES, is_one_of, never_filled};

/// One placeholder, by its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placeholder {
    /// A fact that needs no parameter.
    Fact(Fact),
    /// `{header.NAME}`: all values of a request header; the name is in lower case.
    Header(String),
    /// `{cookie.NAME}`: the value of a cookie.
    Cookie(String),
    /// `{query.NAME}`: the values of a parameter of the query.
    QueryValue(String),
    /// `{path.N}`: a segment of the path, counted from 0.
    PathSegment(usize),
    /// The same of the path that the client sent.
    OrigPathSegment(usize),
    /// `{labels.N}`: a label of the host, counted from 0 and from the right.
    HostLabel(usize),
    /// `{http.request.remote.host/V4,V6}`: the network of the peer, with so many bits of an IPv4 and an IPv6 address.
    RemoteNetwork(u8, u8),
    /// `{http.response.header.NAME}`: all values of a field of the response so far; the name is in lower case.
    ResponseHeader(String),
    /// The value that a matcher or handler has stored under this name; empty if there is none.
    Stored(String),
}

/// A fact about a request, the process or the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The requested host without its port.
    Host,
    /// Host and port as the client sent them.
    HostPort,
    /// The port of the requested host, or of the listener.
    Port,
    /// The method.
    Method,
    /// The method before any change.
    OrigMethod,
    /// Path and query.
    Uri,
    /// Path and query, escaped as a value of a query.
    UriEscaped,
    /// Path and query as the client sent them.
    OrigUri,
    /// The decoded path.
    Path,
    /// The decoded path, escaped as a value of a query.
    PathEscaped,
    /// The path up to its last slash.
    Dir,
    /// The path after its last slash.
    File,
    /// The same without its extension.
    FileBase,
    /// Its extension, with the dot.
    FileExt,
    /// The query without its `?`.
    Query,
    /// The query, escaped as a value of a query.
    QueryEscaped,
    /// The query with its `?`; empty when there is none.
    PrefixedQuery,
    /// The path that the client sent.
    OrigPath,
    /// That path up to its last slash.
    OrigDir,
    /// That path after its last slash.
    OrigFile,
    /// The query that the client sent.
    OrigQuery,
    /// That query with its `?`.
    OrigPrefixedQuery,
    /// The version of HTTP, for example `HTTP/1.1`.
    Proto,
    /// `http` or `https`.
    Scheme,
    /// The peer's address with its port.
    Remote,
    /// The peer's address.
    RemoteHost,
    /// The peer's port.
    RemotePort,
    /// The address that the peer connected to, with its port.
    Local,
    /// That address.
    LocalHost,
    /// That port.
    LocalPort,
    /// The client's address, as trusted proxies report it.
    ClientIp,
    /// The document root.
    Root,
    /// An identifier of the request.
    Uuid,
    /// How long ago the request came, with a unit.
    Duration,
    /// The same in milliseconds.
    DurationMs,
    /// The name of the machine.
    Hostname,
    /// `linux` and the like.
    Os,
    /// `amd64` and the like.
    Arch,
    /// `/`.
    Slash,
    /// The working directory.
    WorkingDir,
    /// The time as HTTP writes it.
    NowHttp,
    /// The time in UTC, as Go prints it.
    Now,
    /// The time as in access logs of the common format.
    NowCommonLog,
    /// Seconds since 1970.
    NowUnix,
    /// Milliseconds since 1970.
    NowUnixMs,
    /// The year in UTC.
    NowYear,
}

impl Placeholder {
    /// The placeholder of this long or short name, without braces. `None`: no placeholder has this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if let Some((_, _, fact)) = FACTS.iter().find(|(long, short, _)| *long == name || *short == name) {
            return Some(Self::Fact(*fact));
        }
        if let Some((_, long)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
            return Some(Self::Stored((*long).to_owned()));
        }
        let short = SHORT_PREFIXES.iter().find_map(|(short, long)| Some((*long, name.strip_prefix(short)?)));
        let long = match short {
            Some((prefix, rest)) => format!("{prefix}{rest}"),
            None => name.to_owned(),
        };
        let behind = |prefix: &str| long.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        if let Some(field) = behind("http.request.header.") {
            return Some(Self::Header(field.to_ascii_lowercase()));
        }
        // The fields of a response are stored by their names in lower case.
        if OF_RESPONSES.iter().any(|prefix| behind(prefix).is_some()) {
            return Some(Self::Stored(long.to_ascii_lowercase()));
        }
        if let Some(cookie) = behind("http.request.cookie.") {
            return Some(Self::Cookie(cookie.to_owned()));
        }
        if let Some(key) = behind("http.request.uri.query.") {
            return Some(Self::QueryValue(key.to_owned()));
        }
        if let Some(number) = behind("http.request.uri.path.") {
            return number.parse().ok().map(Self::PathSegment);
        }
        if let Some(number) = behind("http.request.orig_uri.path.") {
            return number.parse().ok().map(Self::OrigPathSegment);
        }
        if let Some(bits) = behind("http.request.remote.host/") {
            return network_bits(bits).map(|(v4, v6)| Self::RemoteNetwork(v4, v6));
        }
        if let Some(field) = behind("http.response.header.") {
            return Some(Self::ResponseHeader(field.to_ascii_lowercase()));
        }
        if let Some(number) = behind("http.request.host.labels.") {
            return number.parse().ok().map(Self::HostLabel);
        }
        if let Some((_, _, fact)) = FACTS.iter().find(|(name, _, _)| *name == long) {
            return Some(Self::Fact(*fact));
        }
        if let Some((prefix, names)) = CLOSED.iter().find(|(prefix, _)| long.starts_with(prefix)) {
            return is_one_of(&long[prefix.len()..], names).then_some(Self::Stored(long));
        }
        STORED_PREFIXES.iter().any(|prefix| long.starts_with(prefix)).then_some(Self::Stored(long))
    }

    /// Its long name and the reason, if it is always empty.
    pub(super) fn never_filled(&self) -> Option<(&str, &'static str)> {
        match self {
            Self::Stored(name) => never_filled(name).map(|reason| (name.as_str(), reason)),
            _ => None,
        }
    }

    /// Whether a later handler may change the value, or the time that passes.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::ResponseHeader(_) | Self::Fact(Fact::Duration | Fact::DurationMs))
    }

    /// Whether the request has no value for it. As in Caddy, a header field or a parameter that is absent is an empty value.
    pub(super) fn is_unset(&self, request: &dyn RequestView) -> bool {
        match self {
            Self::Stored(name) => request.stored(name).is_none(),
            Self::Cookie(name) => {
                let mut value = String::new();
                !write_cookie(request, name, &mut value)
            }
            _ => false,
        }
    }

    /// Writes the value for this request.
    pub fn write(&self, request: &dyn RequestView, out: &mut String) {
        match self {
            Self::Fact(fact) => fact.write(request, out),
            Self::Header(name) => write_values(out, |take| request.any_header(name, take)),
            Self::ResponseHeader(name) => write_values(out, |take| request.any_response_header(name, take)),
            Self::Cookie(name) => {
                write_cookie(request, name, out);
            }
            Self::QueryValue(key) => join(query_values(request.query(), key), out),
            Self::PathSegment(number) => out.push_str(segment(request.path(), *number)),
            Self::OrigPathSegment(number) => out.push_str(segment(&original_path(request), *number)),
            Self::RemoteNetwork(v4, v6) => write_network(request.remote().ip().to_canonical(), *v4, *v6, out),
            Self::HostLabel(number) => out.push_str(request.host().rsplit('.').nth(*number).unwrap_or_default()),
            Self::Stored(name) => out.push_str(request.stored(name).unwrap_or_default()),
        }
    }
}

fn join(values: impl Iterator<Item = String>, out: &mut String) {
    for (number, value) in values.enumerate() {
        if number > 0 {
            out.push(',');
        }
        out.push_str(&value);
    }
}

/// All values that `each` passes on.
fn write_values(out: &mut String, each: impl FnOnce(&mut dyn FnMut(&str) -> bool) -> bool) {
    let mut first = true;
    each(&mut |value| {
        if !std::mem::take(&mut first) {
            // Without a space, as in Caddy.
            out.push(',');
        }
        out.push_str(value);
        false
    });
}

fn segment(path: &str, number: usize) -> &str {
    path.trim_start_matches('/').split('/').nth(number).unwrap_or_default()
}

/// The decoded path that the client sent.
fn original_path(request: &dyn RequestView) -> String {
    decoded(request.original_uri().split('?').next().unwrap_or_default())
}

/// `V4` or `V4,V6`: one number is for both.
fn network_bits(text: &str) -> Option<(u8, u8)> {
    let (v4, v6) = text.split_once(',').unwrap_or((text, text));
    let (v4, v6) = (v4.parse().ok()?, v6.parse().ok()?);
    (v4 <= 32 && v6 <= 128).then_some((v4, v6))
}

fn write_network(ip: IpAddr, v4: u8, v6: u8, out: &mut String) {
    match ip {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or_default();
            write_number(format_args!("{}/{v4}", Ipv4Addr::from_bits(ip.to_bits() & mask)), out);
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or_default();
            write_number(format_args!("{}/{v6}", Ipv6Addr::from_bits(ip.to_bits() & mask)), out);
        }
    }
}

/// Whether there is such a cookie.
fn write_cookie(request: &dyn RequestView, name: &str, out: &mut String) -> bool {
    request.any_header("cookie", &mut |line| {
        let mut pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found.inspect(|(_, value)| out.push_str(value.trim_matches('"'))).is_some()
    })
}

impl Fact {
    fn write(self, request: &dyn RequestView, out: &mut String) {
        let orig_path = || original_path(request);
        let orig_query = || request.original_uri().split_once('?').map(|(_, query)| query).unwrap_or_default();
        match self {
            Self::Host => out.push_str(request.host()),
            Self::HostPort => out.push_str(&request.host_and_port()),
            Self::Port => write_number(request.port(), out),
            Self::Method => out.push_str(request.method()),
            Self::OrigMethod => out.push_str(request.original_method()),
            Self::Uri => out.push_str(request.uri()),
            Self::UriEscaped => out.push_str(&encoded_query_value(request.uri())),
            Self::OrigUri => out.push_str(request.original_uri()),
            Self::Path => out.push_str(request.path()),
            Self::PathEscaped => out.push_str(&encoded_query_value(request.path())),
            Self::Dir => out.push_str(directory_of(request.path())),
            Self::File => out.push_str(file_of(request.path())),
            Self::FileBase => out.push_str(split_extension(file_of(request.path())).0),
            Self::FileExt => out.push_str(split_extension(file_of(request.path())).1),
            Self::Query => out.push_str(request.query()),
            Self::QueryEscaped => out.push_str(&encoded_query_value(request.query())),
            Self::PrefixedQuery => write_prefixed(request.query(), out),
            Self::OrigPath => out.push_str(&orig_path()),
            Self::OrigDir => out.push_str(directory_of(&orig_path())),
            Self::OrigFile => out.push_str(file_of(&orig_path())),
            Self::OrigQuery => out.push_str(orig_query()),
            Self::OrigPrefixedQuery => write_prefixed(orig_query(), out),
            Self::Proto => out.push_str(request.protocol()),
            Self::Scheme => out.push_str(request.scheme()),
            Self::Remote => write_number(request.remote(), out),
            Self::RemoteHost => write_number(request.remote().ip().to_canonical(), out),
            Self::RemotePort => write_number(request.remote().port(), out),
            Self::Local => write_number(request.local(), out),
            Self::LocalHost => write_number(request.local().ip().to_canonical(), out),
            Self::LocalPort => write_number(request.local().port(), out),
            Self::ClientIp => write_number(request.client_ip(), out),
            Self::Root => out.push_str(&request.root().to_string_lossy()),
            Self::Uuid => out.push_str(request.uuid()),
            Self::Duration => write_number(format_args!("{:?}", request.age()), out),
            Self::DurationMs => write_number(request.age().as_secs_f64() * 1e3, out),
            other => other.write_of_process(out),
        }
    }

    /// Whether the value stays the same as long as the program runs.
    pub(super) fn is_of_process(self) -> bool {
        matches!(self, Self::Hostname | Self::Os | Self::Arch | Self::Slash | Self::WorkingDir)
    }

    /// The placeholders that do not depend on the request.
    pub(super) fn write_of_process(self, out: &mut String) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let moment = Moment::of(since.as_secs());
        match self {
            Self::Hostname => out.push_str(&hostname()),
            Self::Os => out.push_str(std::env::consts::OS),
            Self::Arch => out.push_str(match std::env::consts::ARCH {
                "x86_64" => "amd64",
                "aarch64" => "arm64",
                other => other,
            }),
            Self::Slash => out.push(std::path::MAIN_SEPARATOR),
            Self::WorkingDir => out.push_str(&std::env::current_dir().unwrap_or_default().to_string_lossy()),
            Self::NowHttp => out.push_str(&moment.http()),
            Self::Now => out.push_str(&moment.go(since.subsec_nanos())),
            Self::NowCommonLog => out.push_str(&moment.common_log()),
            Self::NowUnix => write_number(since.as_secs(), out),
            Self::NowUnixMs => write_number(since.as_millis(), out),
            Self::NowYear => write_number(moment.year, out),
            _ => {}
        }
    }
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

fn write_prefixed(query: &str, out: &mut String) {
    if !query.is_empty() {
        out.push('?');
        out.push_str(query);
    }
}

fn write_number(number: impl std::fmt::Display, out: &mut String) {
    // Writing to a string never fails.
    let _ = write!(out, "{number}");
}

/// A file's name and its extension with the dot, which may be empty.
fn split_extension(file: &str) -> (&str, &str) {
    file.rfind('.').map_or((file, ""), |dot| file.split_at(dot))
}
