//! `transport` of `reverse_proxy`.

use std::time::Duration;

use super::super::context::Context;
use super::super::proxy::{ProxySettings, UpstreamVersions};
use super::super::syntax::Node;
use super::super::table::{Directive, Table, Times, unknown};
use super::super::tls::{CertificateFiles, TrustedCertificates};
use super::super::values;
use super::client_auth::trust_pool;
use super::fastcgi::transport_fastcgi;
use super::https;

macro_rules! setting {
    ($name:literal, $usage:literal, $doc:literal, $apply:expr) => {
        Directive { name: $name, usage: $usage, doc: $doc, times: Times::Once, apply: $apply }
    };
}

/// The directives of a `transport http` block.
pub(super) static TRANSPORT: Table<ProxySettings> = Table {
    block: "a `transport http` block",
    origin: "Caddy",
    directives: &[
        setting!(
            "dial_timeout",
            "dial_timeout DURATION",
            "How long it may take to connect.",
            |settings, node, context| {
                if let Some(limit) = context.one(node).and_then(|word| values::duration(word, context)) {
                    settings.dial_timeout = limit;
                }
            }
        ),
        setting!(
            "response_header_timeout",
            "response_header_timeout DURATION",
            "How long the head of a response may take.",
            |settings, node, context| {
                let limit = context.one(node).and_then(|word| values::duration(word, context));
                settings.response_timeout = limit.filter(|limit| !limit.is_zero());
            }
        ),
        setting!(
            "read_timeout",
            "read_timeout DURATION",
            "How long the body of a response may pause.",
            |settings, node, context| {
                let limit = context.one(node).and_then(|word| values::duration(word, context));
                settings.read_timeout = limit.filter(|limit| !limit.is_zero());
            }
        ),
        setting!("versions", "versions 1.1|2|h2c…", "The versions of HTTP that the upstreams are asked by.", versions),
        setting!(
            "keepalive",
            "keepalive off|DURATION",
            "How long a connection is kept for a next request.",
            |settings, node, context| {
                settings.keepalive = match context.one(node) {
                    Some(word) if word.text == "off" => Some(Duration::ZERO),
                    Some(word) => values::duration(word, context),
                    None => None,
                };
            }
        ),
        setting!(
            "keepalive_idle_conns_per_host",
            "keepalive_idle_conns_per_host COUNT",
            "The most connections to one upstream that are kept.",
            |settings, node, context| {
                let count = context.one(node).and_then(|word| values::count(word, 0, usize::MAX, context));
                settings.keepalive_connections = count;
            }
        ),
        setting!("tls", "tls", "Encrypts the connections.", |settings, node, context| {
            context.args(node, 0, 0);
            settings.tls.get_or_insert_default();
        }),
        setting!(
            "tls_insecure_skip_verify",
            "tls_insecure_skip_verify",
            "Encrypts the connections and accepts any certificate.",
            |settings, node, context| {
                context.args(node, 0, 0);
                settings.tls.get_or_insert_default().insecure = true;
            }
        ),
        setting!(
            "tls_server_name",
            "tls_server_name NAME",
            "The name that the certificate must be for.",
            |settings, node, context| {
                let name = context.one(node).and_then(|word| values::filled(word, "the name", context));
                settings.tls.get_or_insert_default().server_name = name.map(str::to_owned);
            }
        ),
        setting!(
            "tls_trusted_ca_certs",
            "tls_trusted_ca_certs FILE…",
            "The authorities that are trusted, in the place of those of the system.",
            |settings, node, context| {
                for word in context.args(node, 1, usize::MAX).unwrap_or_default() {
                    let path = context.path(&word.text, &word.position);
                    if path.is_file() {
                        let file = TrustedCertificates::File(path);
                        settings.tls.get_or_insert_default().authorities.push(file);
                    } else {
                        let message = format!("the certificate file {} does not exist", path.display());
                        context.usage_error(&word.position, message);
                    }
                }
            }
        ),
        setting!(
            "tls_trust_pool",
            "tls_trust_pool file FILE…|inline { trust_der BASE64… }",
            "The same, in the newer spelling.",
            |settings, node, context| {
                let mut pool = trust_pool(node, context);
                settings.tls.get_or_insert_default().authorities.append(&mut pool);
            }
        ),
        setting!(
            "tls_client_auth",
            "tls_client_auth CERTIFICATE KEY",
            "The certificate that igor shows to the upstreams, and its key.",
            |settings, node, context| {
                let Some([certificate, key]) = context.args(node, 2, 2) else { return };
                let certificate = https::file(certificate, "the certificate", context);
                if let Some((certificate, key)) = certificate.zip(https::file(key, "the key", context)) {
                    settings.tls.get_or_insert_default().own = Some(CertificateFiles { certificate, key });
                }
            }
        ),
        setting!(
            "tls_except_ports",
            "tls_except_ports PORT…",
            "The ports at which upstreams are reached without encryption.",
            |settings, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                let ports = words.iter().filter_map(|word| values::count(word, 1, usize::from(u16::MAX), context));
                let ports = ports.filter_map(|port| u16::try_from(port).ok());
                settings.tls.get_or_insert_default().except_ports = ports.collect();
            }
        ),
    ],
    ignored: &[
        ("write_timeout", "an upstream may take a body as slowly as it wants"),
        ("tls_timeout", "`dial_timeout` includes the handshake"),
        ("tls_renegotiation", "TLS 1.3 has none"),
        ("tls_curves", "the groups are offered that igor has"),
        ("keepalive_interval", "a connection that has broken is noticed by its next request"),
        ("keepalive_idle_conns", "use `keepalive_idle_conns_per_host`"),
        ("max_conns_per_host", "use `unhealthy_request_count`"),
        ("dial_fallback_delay", "the addresses of a name are tried one after the other"),
        ("resolvers", "names are resolved by the system"),
        ("compression", "bodies are passed on as they come"),
        ("expect_continue_timeout", "a body is sent at once"),
        ("read_buffer", "buffers have a size of their own"),
        ("write_buffer", "buffers have a size of their own"),
        ("max_response_header", "the head of a response has a limit of its own"),
    ],
    unsupported: &[
        ("proxy_protocol", "upstreams learn the client from `X-Forwarded-For`"),
        ("local_address", "remove it; the system chooses the address"),
        ("forward_proxy_url", "igor asks upstreams itself"),
        ("network_proxy", "igor asks upstreams itself"),
    ],
};

/// `versions 1.1|2|h2c…`.
fn versions(settings: &mut ProxySettings, node: &Node, context: &mut Context<'_>) {
    let words = context.args(node, 1, usize::MAX).unwrap_or_default();
    let known = [("1.1", 1), ("2", 2), ("3", 3), ("h2c", 4)];
    let chosen: Vec<u8> = words.iter().filter_map(|word| values::choice(word, "version", &known, context)).collect();
    if chosen.contains(&3) {
        context.warning(&node.position, "the version 3 has no effect: upstreams are asked by HTTP/1.1 or HTTP/2");
    }
    settings.versions = match (chosen.contains(&4), chosen.contains(&2), chosen.contains(&1)) {
        (true, ..) => UpstreamVersions::H2c,
        (_, true, false) => UpstreamVersions::Http2,
        (_, false, true) => UpstreamVersions::Http1,
        _ => UpstreamVersions::Usual,
    };
}

/// `transport http|fastcgi { … }`.
pub(super) fn transport(settings: &mut ProxySettings, node: &Node, context: &mut Context<'_>) {
    let Some([kind]) = context.count_args(node, node.args(), 1, 1) else { return };
    match kind.text.as_str() {
        "http" => TRANSPORT.apply(settings, node.children(), context),
        "fastcgi" => transport_fastcgi(settings, node.children(), context),
        _ => unknown(kind, "transport", &["http", "fastcgi"], context),
    }
}
