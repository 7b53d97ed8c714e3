//! The names of placeholders, which are Caddy's.

use super::super::nearest::nearest;
use super::Fact;

/// Each fact with its long and its short name; the short name may be empty.
pub(super) const FACTS: &[(&str, &str, Fact)] = &[
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
pub(super) const SHORT_PREFIXES: &[(&str, &str)] = &[
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
pub(super) const SHORT_NAMES: &[(&str, &str)] = &[
    ("http.error", "http.error"),
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
pub(super) const STORED_PREFIXES: &[&str] = &[
    "http.regexp.",
    "http.vars.",
    "http.auth.user.",
    "http.error.",
    "http.matchers.file.",
    "http.reverse_proxy.",
    "http.intercept.",
    "http.request.tls.",
    "http.rate_limit.",
];

/// The prefixes of names for fields of a response that `handle_response` and `intercept` see.
pub(super) const OF_RESPONSES: [&str; 2] = ["http.reverse_proxy.header.", "http.intercept.header."];

/// The names with a prefix that has no others. The values of encryption are those of `tls::EncryptionFacts`.
pub(super) const CLOSED: [(&str, &[&str]); 5] = [
    (
        "http.request.tls.",
        &[
            "version",
            "cipher_suite",
            "proto",
            "proto_mutual",
            "server_name",
            "resumed",
            "client.fingerprint",
            "client.subject",
            "client.issuer",
            "client.serial",
            "client.public_key",
            "client.public_key_sha256",
            "client.certificate_pem",
            "client.certificate_der_base64",
            "client.san.dns_names",
            "client.san.emails",
            "client.san.ips",
            "client.san.uris",
        ],
    ),
    (
        "http.reverse_proxy.",
        &[
            "status_code",
            "status_text",
            "upstream.address",
            "upstream.hostport",
            "upstream.host",
            "upstream.port",
            "upstream.latency",
            "upstream.latency_ms",
            "upstream.duration",
            "upstream.duration_ms",
            "upstream.requests",
            "upstream.max_requests",
            "upstream.fails",
            "duration",
            "duration_ms",
            "retries",
        ],
    ),
    ("http.intercept.", &["status_code", "status_text"]),
    ("http.error.", &["status_code", "status_text", "message", "id", "trace"]),
    ("http.matchers.file.", &["relative", "absolute", "remainder", "type"]),
];

const ONLY_LATENCY: &str = "igor measures the time to the head of a response alone: `{rp.upstream.latency}`";
const NOT_KEPT: &str = "igor does not keep this number for each request";

/// Names that Caddy fills and igor does not, with the reason. A point at the end: all names that begin like this.
const NEVER_FILLED: [(&str, &str); 11] = [
    ("http.error.trace", "igor does not record where a failure comes from; `{err.message}` says what it is"),
    ("http.auth.user.", "`basic_auth` knows the name of a user alone: `{http.auth.user.id}`"),
    ("http.rate_limit.", "igor limits no rates"),
    ("http.reverse_proxy.upstream.duration", ONLY_LATENCY),
    ("http.reverse_proxy.upstream.duration_ms", ONLY_LATENCY),
    ("http.reverse_proxy.duration", ONLY_LATENCY),
    ("http.reverse_proxy.duration_ms", ONLY_LATENCY),
    ("http.reverse_proxy.upstream.requests", NOT_KEPT),
    ("http.reverse_proxy.upstream.max_requests", "it is what `unhealthy_request_count` says"),
    ("http.reverse_proxy.upstream.fails", NOT_KEPT),
    ("http.reverse_proxy.retries", NOT_KEPT),
];

/// Why the placeholder with this long name is always empty; `None`: it has values.
pub(super) fn never_filled(name: &str) -> Option<&'static str> {
    let is_it = |known: &str| name == known || (known.ends_with('.') && name.starts_with(known));
    let found = NEVER_FILLED.iter().find(|(known, _)| is_it(known)).filter(|_| name != "http.auth.user.id");
    found.map(|(_, reason)| *reason)
}

const IN_SNIPPETS: &str =
    "in a snippet, write `{args[0]}` for an argument of its `import`, and `{block}` alone on a line";

/// Beginnings of names that Caddy has and igor does not, with another way.
const ELSEWHERE: [(&str, &str); 7] = [
    ("http.request.body", "a script reads the body; a placeholder would hold the whole of it in memory"),
    ("http.shutting_down", "igor has no `shutdown_delay`, so nothing is answered in one"),
    ("http.time_until_shutdown", "igor has no `shutdown_delay`, so nothing is answered in one"),
    ("file.", "`{env.NAME}` takes a value from the environment, and `import FILE` inserts a file"),
    (
        "http.request.remote.host/",
        "write at most 32 bits for IPv4 and 128 for IPv6: `{http.request.remote.host/24,48}`",
    ),
    ("args", IN_SNIPPETS),
    ("block", IN_SNIPPETS),
];

/// What to write in the place of a name that no placeholder has.
pub(in super::super) fn advice(name: &str) -> Option<String> {
    if let Some((_, way)) = ELSEWHERE.iter().find(|(beginning, _)| name.starts_with(beginning)) {
        return Some((*way).to_owned());
    }
    let expanded = SHORT_PREFIXES.iter().find_map(|(short, long)| Some(format!("{long}{}", name.strip_prefix(short)?)));
    let long = expanded.as_deref().unwrap_or(name);
    if let Some((prefix, names)) = CLOSED.iter().find(|(prefix, _)| long.starts_with(prefix)) {
        return Some(format!("behind `{prefix}` come {}", names.join(", ")));
    }
    let facts = FACTS.iter().flat_map(|(long, short, _)| [*long, *short]);
    let short = SHORT_NAMES.iter().map(|(short, _)| *short);
    let names: Vec<&str> = facts.chain(short).filter(|name| !name.is_empty()).collect();
    nearest(name, &names).map(|near| format!("did you mean `{{{near}}}`?"))
}

/// Whether this is one of the names, or an element of one that is a list (`client.san.dns_names.0`), or a field
/// (`header.NAME`), which is known by its prefix.
pub(super) fn is_one_of(name: &str, names: &[&str]) -> bool {
    let is_element = |(list, number): (&str, &str)| {
        list.starts_with("client.san.") && names.contains(&list) && number.parse::<usize>().is_ok()
    };
    names.contains(&name) || name.rsplit_once('.').is_some_and(is_element)
}
