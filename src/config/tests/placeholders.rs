//! Caddy's placeholders: each has values here, or says at the start that it has none.

use super::super::placeholder::Placeholder;
use super::Fixture;
use std::path::Path;

/// The names of Caddy 2 for HTTP, with an example behind each prefix.
const OF_CADDY: &str = "
    env.HOME system.hostname system.os system.arch system.slash system.wd
    time.now time.now.http time.now.common_log time.now.year time.now.unix time.now.unix_ms
    http.request.cookie.session http.request.duration http.request.duration_ms http.request.uuid http.request.header.Accept
    http.request.host http.request.host.labels.0 http.request.hostport http.request.port http.request.method
    http.request.orig_method http.request.orig_uri http.request.orig_uri.path http.request.orig_uri.path.0
    http.request.orig_uri.path.dir http.request.orig_uri.path.file http.request.orig_uri.query
    http.request.orig_uri.prefixed_query http.request.proto http.request.remote http.request.remote.host
    http.request.remote.host/24,48 http.request.remote.port http.request.local http.request.local.host
    http.request.local.port http.request.scheme http.request.uri http.request.uri_escaped http.request.uri.path
    http.request.uri.path_escaped http.request.uri.path.0 http.request.uri.path.dir http.request.uri.path.file
    http.request.uri.path.file.base http.request.uri.path.file.ext http.request.uri.query http.request.uri.query_escaped
    http.request.uri.query.page http.request.uri.prefixed_query
    http.request.tls.version http.request.tls.cipher_suite http.request.tls.resumed http.request.tls.proto
    http.request.tls.proto_mutual http.request.tls.server_name http.request.tls.client.fingerprint
    http.request.tls.client.public_key http.request.tls.client.public_key_sha256 http.request.tls.client.certificate_pem
    http.request.tls.client.certificate_der_base64 http.request.tls.client.issuer http.request.tls.client.serial
    http.request.tls.client.subject http.request.tls.client.san.dns_names http.request.tls.client.san.dns_names.0
    http.request.tls.client.san.emails http.request.tls.client.san.ips http.request.tls.client.san.uris
    http.response.header.X-A http.vars.client_ip http.vars.root http.vars.mine http.regexp.name.1 http.auth.user.id
    http.auth.user.email http.error http.error.status_code http.error.status_text http.error.message http.error.id
    http.error.trace http.matchers.file.relative http.matchers.file.absolute http.matchers.file.type
    http.matchers.file.remainder http.intercept.status_code http.intercept.status_text http.intercept.header.X-A
    http.rate_limit.exceeded.name http.reverse_proxy.status_code http.reverse_proxy.status_text
    http.reverse_proxy.header.X-A http.reverse_proxy.duration http.reverse_proxy.duration_ms http.reverse_proxy.retries
    http.reverse_proxy.upstream.address http.reverse_proxy.upstream.hostport http.reverse_proxy.upstream.host
    http.reverse_proxy.upstream.port http.reverse_proxy.upstream.requests http.reverse_proxy.upstream.max_requests
    http.reverse_proxy.upstream.fails http.reverse_proxy.upstream.latency http.reverse_proxy.upstream.latency_ms
    http.reverse_proxy.upstream.duration http.reverse_proxy.upstream.duration_ms
    dir file file.base file.ext host hostport method orig_method orig_uri orig_path orig_dir orig_file orig_query
    orig_?query path port query ?query %path %query %uri prefixed_query remote remote_host remote_port scheme uri uuid
    client_ip tls_cipher tls_version tls_client_fingerprint tls_client_issuer tls_client_serial tls_client_subject
    tls_client_certificate_pem tls_client_certificate_der_base64 upstream_hostport
    cookie.session header.Accept query.page path.0 labels.0 re.name.1 vars.mine err.status_code err.trace
    file_match.relative rp.status_code rp.upstream.latency resp.status_code resp.header.X-A";

/// Those without values, by their long names.
const NEVER_FILLED: &str = "
    http.auth.user.email http.error.trace http.rate_limit.exceeded.name http.reverse_proxy.duration
    http.reverse_proxy.duration_ms http.reverse_proxy.retries http.reverse_proxy.upstream.requests
    http.reverse_proxy.upstream.max_requests http.reverse_proxy.upstream.fails http.reverse_proxy.upstream.duration
    http.reverse_proxy.upstream.duration_ms err.trace";

/// The sources that store values under names.
const SOURCES: [&str; 5] = [
    "src/http/request.rs",
    "src/http/replies.rs",
    "src/http/answer.rs",
    "src/config/matcher/file.rs",
    "src/tls/described.rs",
];

/// Whether a source has the name, or, where several kinds of names share a function, its end.
fn is_stored(name: &str, sources: &str) -> bool {
    let has = |text: &str| sources.contains(&format!("\"{text}\""));
    if ["http.regexp.", "http.vars."].iter().any(|prefix| name.starts_with(prefix)) || has(name) {
        return true;
    }
    if let Some(of_encryption) = name.strip_prefix("http.request.tls.") {
        let name = of_encryption.strip_prefix("client.").unwrap_or(of_encryption);
        let name = name.strip_prefix("san.").unwrap_or(name);
        return has(name.strip_suffix(".0").unwrap_or(name));
    }
    let end = ["http.reverse_proxy.", "http.intercept."].iter().find_map(|prefix| name.strip_prefix(prefix));
    let end = end.map(|end| if end.starts_with("header.") { "header." } else { end });
    end.is_some_and(|end| sources.contains(&format!("}}.{end}")))
}

#[test]
fn every_placeholder_of_caddy_has_values_or_says_that_it_has_none() {
    let fixture = Fixture::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = SOURCES.map(|path| std::fs::read_to_string(folder.join(path)).expect("a source")).concat();
    let never: Vec<&str> = NEVER_FILLED.split_whitespace().collect();
    let mut wrong = Vec::new();
    for name in OF_CADDY.split_whitespace() {
        let warnings = match fixture.parse(&format!(":80 {{\n\trespond \"{{{name}}}\"\n}}\n")) {
            Ok(config) => fixture.shown(&config.warnings),
            Err(errors) => {
                wrong.push(format!("{name}: {}", fixture.shown(&errors)));
                continue;
            }
        };
        let is_empty = warnings.contains("is always empty: ");
        let stored = match Placeholder::parse(name) {
            Some(Placeholder::Stored(long)) => Some(long),
            _ => None,
        };
        let has_source = stored.is_none_or(|long| is_stored(&long, &sources));
        if is_empty != never.contains(&name) || is_empty == has_source {
            wrong.push(format!("{name}: a warning: {is_empty}, a value: {has_source} {warnings}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unknown_names_behind_a_known_prefix_are_refused() {
    let fixture = Fixture::new();
    for (name, expected) in [
        ("err.mesage", "`http.error.` come status_code"),
        ("file_match.path", "`http.matchers.file.` come relative"),
        ("http.request.body", "a script reads the body"),
    ] {
        let shown = fixture.errors(&format!(":80 {{\n\trespond \"{{{name}}}\"\n}}\n"));
        assert!(shown.contains(expected), "{shown}");
    }
}
