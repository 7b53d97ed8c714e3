//! Placeholders: words in braces that stand for a fact of the request (`{host}`,
//! `{http.request.uri.query.page}`).
//!
//! The names are Caddy's, long and short. Results of matchers and handlers are stored under their long names
//! ([`RequestView::store`]), so a new handler needs no new kind of placeholder.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::calendar::Moment;
use super::request::{RequestView, directory_of, file_of};
use super::uri::{decoded, encoded_query_value, query_values};

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
    /// `{labels.N}`: a label of the host, counted from 0 and from the right.
    HostLabel(usize),
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

/// Each fact with its long and its short name; the short name may be empty.
const FACTS: &[(&str, &str, Fact)] = &[
    ("http.request.host", "host", Fact::Host),
    ("http.request.hostport", "hostport", Fact::HostPort),
    ("http.request.port", "port", Fact::Port),
    ("http.request.method", "method", Fact::Method),
    ("http.request.orig_method", "orig_method", Fact::OrigMethod),
    ("http.request.uri", "uri", Fact::Uri),
    ("http.request.uri_escaped", "%uri", Fact::UriEscaped),
    ("http.request.orig_uri", "orig_uri", Fact::OrigUri),
    ("http.request.uri.path", "path", Fact::Path),
    ("http.request.uri.path_escaped", "%path", Fact::PathEscaped),
    ("http.request.uri.path.dir", "dir", Fact::Dir),
    ("http.request.uri.path.file", "file", Fact::File),
    ("http.request.uri.path.file.base", "file.base", Fact::FileBase),
    ("http.request.uri.path.file.ext", "file.ext", Fact::FileExt),
    ("http.request.uri.query", "query", Fact::Query),
    ("http.request.uri.query_escaped", "%query", Fact::QueryEscaped),
    ("http.request.uri.prefixed_query", "?query", Fact::PrefixedQuery),
    ("http.request.uri.prefixed_query", "prefixed_query", Fact::PrefixedQuery),
    ("http.request.orig_uri.path", "orig_path", Fact::OrigPath),
    ("http.request.orig_uri.path.dir", "orig_dir", Fact::OrigDir),
    ("http.request.orig_uri.path.file", "orig_file", Fact::OrigFile),
    ("http.request.orig_uri.query", "orig_query", Fact::OrigQuery),
    ("http.request.orig_uri.prefixed_query", "orig_?query", Fact::OrigPrefixedQuery),
    ("http.request.proto", "", Fact::Proto),
    ("http.request.scheme", "scheme", Fact::Scheme),
    ("http.request.remote", "remote", Fact::Remote),
    ("http.request.remote.host", "remote_host", Fact::RemoteHost),
    ("http.request.remote.port", "remote_port", Fact::RemotePort),
    ("http.request.local", "", Fact::Local),
    ("http.request.local.host", "", Fact::LocalHost),
    ("http.request.local.port", "", Fact::LocalPort),
    ("http.vars.client_ip", "client_ip", Fact::ClientIp),
    ("http.vars.root", "", Fact::Root),
    ("http.request.uuid", "uuid", Fact::Uuid),
    ("http.request.duration", "", Fact::Duration),
    ("http.request.duration_ms", "", Fact::DurationMs),
    ("system.hostname", "", Fact::Hostname),
    ("system.os", "", Fact::Os),
    ("system.arch", "", Fact::Arch),
    ("system.slash", "", Fact::Slash),
    ("system.wd", "", Fact::WorkingDir),
    ("time.now.http", "", Fact::NowHttp),
    ("time.now", "", Fact::Now),
    ("time.now.common_log", "", Fact::NowCommonLog),
    ("time.now.unix", "", Fact::NowUnix),
    ("time.now.unix_ms", "", Fact::NowUnixMs),
    ("time.now.year", "", Fact::NowYear),
];

/// Short prefixes of names, with the long ones.
const SHORT_PREFIXES: &[(&str, &str)] = &[
    ("header.", "http.request.header."),
    ("cookie.", "http.request.cookie."),
    ("query.", "http.request.uri.query."),
    ("path.", "http.request.uri.path."),
    ("labels.", "http.request.host.labels."),
    ("re.", "http.regexp."),
    ("vars.", "http.vars."),
    ("err.", "http.error."),
    ("file_match.", "http.matchers.file."),
    ("rp.", "http.reverse_proxy."),
    ("resp.", "http.intercept."),
];

/// Short names of values that handlers and the connection store.
const SHORT_NAMES: &[(&str, &str)] = &[
    ("tls_cipher", "http.request.tls.cipher_suite"),
    ("tls_version", "http.request.tls.version"),
    ("tls_client_fingerprint", "http.request.tls.client.fingerprint"),
    ("tls_client_issuer", "http.request.tls.client.issuer"),
    ("tls_client_serial", "http.request.tls.client.serial"),
    ("tls_client_subject", "http.request.tls.client.subject"),
    ("tls_client_certificate_pem", "http.request.tls.client.certificate_pem"),
    ("tls_client_certificate_der_base64", "http.request.tls.client.certificate_der_base64"),
    ("upstream_hostport", "http.reverse_proxy.upstream.hostport"),
];

/// The prefixes of the names under which matchers, handlers and the connection store their results.
const STORED_PREFIXES: &[&str] = &[
    "http.regexp.",
    "http.vars.",
    "http.auth.user.",
    "http.error.",
    "http.matchers.file.",
    "http.reverse_proxy.",
    "http.intercept.",
    "http.response.header.",
    "http.auth.user.",
    "http.request.tls.",
    "http.rate_limit.",
];

/// The prefixes of names for fields of a response.
const OF_RESPONSES: [&str; 3] = ["http.reverse_proxy.header.", "http.intercept.header.", "http.response.header."];

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
        if let Some(number) = behind("http.request.host.labels.") {
            return number.parse().ok().map(Self::HostLabel);
        }
        if let Some((_, _, fact)) = FACTS.iter().find(|(name, _, _)| *name == long) {
            return Some(Self::Fact(*fact));
        }
        STORED_PREFIXES.iter().any(|prefix| long.starts_with(prefix)).then_some(Self::Stored(long))
    }

    /// Whether a later handler may change the value, or the time that passes.
    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Stored(_) | Self::Fact(Fact::Duration | Fact::DurationMs))
    }

    /// Writes the value for this request.
    pub fn write(&self, request: &dyn RequestView, out: &mut String) {
        match self {
            Self::Fact(fact) => fact.write(request, out),
            Self::Header(name) => write_header(request, name, out),
            Self::Cookie(name) => write_cookie(request, name, out),
            Self::QueryValue(key) => join(query_values(request.query(), key), out),
            Self::PathSegment(number) => {
                let mut segments = request.path().trim_start_matches('/').split('/');
                out.push_str(segments.nth(*number).unwrap_or_default());
            }
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

fn write_header(request: &dyn RequestView, name: &str, out: &mut String) {
    let mut first = true;
    request.any_header(name, &mut |value| {
        if !std::mem::take(&mut first) {
            // Without a space, as in Caddy.
            out.push(',');
        }
        out.push_str(value);
        false
    });
}

fn write_cookie(request: &dyn RequestView, name: &str, out: &mut String) {
    request.any_header("cookie", &mut |line| {
        let mut pairs = line.split(';').filter_map(|pair| pair.trim().split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found.inspect(|(_, value)| out.push_str(value.trim_matches('"'))).is_some()
    });
}

impl Fact {
    fn write(self, request: &dyn RequestView, out: &mut String) {
        let orig_path = || decoded(request.original_uri().split('?').next().unwrap_or_default());
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
