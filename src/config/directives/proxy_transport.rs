//! `transport` of `reverse_proxy`.

use super::super::context::Context;
use super::super::proxy::ProxySettings;
use super::super::syntax::Node;
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;
use super::fastcgi::transport_fastcgi;

macro_rules! setting {
    ($name:literal, $usage:literal, $doc:literal, $apply:expr) => {
        Directive { name: $name, usage: $usage, doc: $doc, times: Times::Once, apply: $apply }
    };
}

const KEPT: &str = "igor keeps connections to upstreams by limits of its own, see docs/operations.md";
const HTTP1: &str = "igor speaks HTTP/1.1 with upstreams, or h2c";

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
        setting!(
            "versions",
            "versions 1.1|2|h2c…",
            "With `h2c`, the upstreams are asked by HTTP/2 without encryption.",
            |settings, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                let known = [("1.1", false), ("2", false), ("3", false), ("h2c", true)];
                let chosen: Vec<bool> =
                    words.iter().filter_map(|word| values::choice(word, "version", &known, context)).collect();
                settings.http2 = chosen.contains(&true);
                if !settings.http2 && words.iter().any(|word| word.text != "1.1") {
                    context.warning(&node.position, format_args!("`versions` has no effect: {HTTP1}"));
                }
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
                        settings.tls.get_or_insert_default().authorities.push(path);
                    } else {
                        let message = format!("the certificate file {} does not exist", path.display());
                        context.usage_error(&word.position, message);
                    }
                }
            }
        ),
    ],
    ignored: &[
        ("write_timeout", "an upstream may take a body as slowly as it wants"),
        ("tls_timeout", "`dial_timeout` includes the handshake"),
        ("tls_renegotiation", "TLS 1.3 has none"),
        ("keepalive", KEPT),
        ("keepalive_interval", KEPT),
        ("keepalive_idle_conns", KEPT),
        ("keepalive_idle_conns_per_host", KEPT),
        ("max_conns_per_host", "use `unhealthy_request_count`"),
        ("dial_fallback_delay", "the addresses of a name are tried one after the other"),
        ("resolvers", "names are resolved by the system"),
        ("compression", "bodies are passed on as they come"),
        ("expect_continue_timeout", HTTP1),
        ("read_buffer", "buffers have a size of their own"),
        ("write_buffer", "buffers have a size of their own"),
        ("max_response_header", "the head of a response has a limit of its own"),
    ],
    unsupported: &[
        ("tls_client_auth", "igor shows no certificate to upstreams"),
        ("tls_trust_pool", "use `tls_trusted_ca_certs FILE`"),
        ("proxy_protocol", "upstreams learn the client from `X-Forwarded-For`"),
        ("local_address", "remove it; the system chooses the address"),
        ("forward_proxy_url", "igor asks upstreams itself"),
        ("network_proxy", "igor asks upstreams itself"),
    ],
};

/// `transport http|fastcgi { … }`.
pub(super) fn transport(settings: &mut ProxySettings, node: &Node, context: &mut Context<'_>) {
    let Some([kind]) = context.count_args(node, node.args(), 1, 1) else { return };
    match kind.text.as_str() {
        "http" => TRANSPORT.apply(settings, node.children(), context),
        "fastcgi" => transport_fastcgi(settings, node.children(), context),
        _ => unknown(kind, "transport", &["http", "fastcgi"], context),
    }
}
