//! The global option `servers`.

use std::time::Duration;

use super::super::context::Context;
use super::super::proxies::{ProxyProtocol, TrustedProxies};
use super::super::settings::{Global, Protocols, Timeouts};
use super::super::syntax::{Node, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;
use super::matchers::{field_name, ip_ranges};
use crate::limits::REQUEST_HEAD_BYTES_MAX;

/// A request line with a host and a cookie needs as much.
const HEAD_BYTES_MIN: usize = 1024;

const OWN_LIMITS: &str = "igor's HTTP server has limits of its own, see docs/operations.md";

/// The directives of a `servers` block.
pub(super) static SERVERS: Table<Global> = Table {
    block: "a `servers` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "trusted_proxies",
            usage: "trusted_proxies static RANGE…",
            doc: "The proxies whose word about the client's address is taken; `private_ranges` are the private networks.",
            times: Times::Last,
            apply: |global, node, context| {
                let Some((source, ranges)) = context.args(node, 1, usize::MAX).and_then(<[_]>::split_first) else {
                    return;
                };
                if source.text == "static" {
                    global.trusted_proxies.ranges = ip_ranges(ranges, context);
                } else if source.text == "private_ranges" || source.text.contains(['.', ':', '/']) {
                    let message = format!("`{}` is no source of trusted proxies", excerpt(&source.text));
                    let words: Vec<String> = node.args().iter().map(|word| excerpt(&word.text)).collect();
                    let hint = format!("write `trusted_proxies static {}`", words.join(" "));
                    context.error_with_hint(&source.position, message, hint);
                } else {
                    unknown(source, "source of trusted proxies", &["static"], context);
                }
            },
        },
        Directive {
            name: "client_ip_headers",
            usage: "client_ip_headers FIELD…",
            doc: "The header fields that name the client, in order of preference.",
            times: Times::Last,
            apply: |global, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                global.trusted_proxies.headers =
                    words.iter().filter_map(|word| field_name(word, &word.text, context)).collect();
            },
        },
        Directive {
            name: "trusted_proxies_strict",
            usage: "trusted_proxies_strict",
            doc: "Reads the addresses of a field from the right, up to the first that is no trusted proxy.",
            times: Times::Last,
            apply: |global, node, context| {
                context.args(node, 0, 0);
                global.trusted_proxies.strict = true;
            },
        },
        Directive {
            name: "trusted_proxies_unix",
            usage: "trusted_proxies_unix",
            doc: "Trusts the peers of Unix sockets, too.",
            times: Times::Last,
            apply: |global, node, context| {
                context.args(node, 0, 0);
                global.trusted_proxies.unix = true;
            },
        },
        Directive {
            name: "listener_wrappers",
            usage: "listener_wrappers { … }",
            doc: "What is in front of the requests of a connection.",
            times: Times::Last,
            apply: |global, node, context| {
                context.count_args(node, node.args(), 0, 0);
                LISTENER_WRAPPERS.apply(&mut global.trusted_proxies, node.children(), context);
            },
        },
        Directive {
            name: "timeouts",
            usage: "timeouts { … }",
            doc: "How long clients may take.",
            times: Times::Last,
            apply: |global, node, context| {
                context.count_args(node, node.args(), 0, 0);
                TIMEOUTS.apply(&mut global.timeouts, node.children(), context);
            },
        },
        Directive {
            name: "max_header_size",
            usage: "max_header_size SIZE",
            doc: "The largest head of a request.",
            times: Times::Last,
            apply: |global, node, context| global.head_bytes_max = head_bytes_max(node, context),
        },
        Directive {
            name: "protocols",
            usage: "protocols h1|h2|h2c|h3…",
            doc: "The versions of HTTP; HTTP/1.1 is always spoken.",
            times: Times::Last,
            apply: |global, node, context| global.protocols = protocols(node, context),
        },
        Directive {
            name: "name",
            usage: "name NAME",
            doc: "A name for the server, which nothing uses.",
            times: Times::Last,
            apply: |_, node, context| {
                let _ = context.one(node).and_then(|word| values::filled(word, "the name", context));
            },
        },
    ],
    ignored: &[
        ("keepalive_interval", OWN_LIMITS),
        ("keepalive_idle", OWN_LIMITS),
        ("enable_full_duplex", "a request and its response always pass at the same time"),
        ("log_credentials", "the access log masks what authorizes a client"),
        ("metrics", "the admin interface always serves `/metrics`"),
        ("0rtt", "igor takes no early data"),
        ("strict_sni_host", "igor chooses a site by the requested host"),
        ("trace", "igor logs no single steps"),
    ],
    unsupported: &[],
};

/// As in Caddy, HTTP/2 requires HTTP/1.1.
fn protocols(node: &Node, context: &mut Context<'_>) -> Protocols {
    let mut protocols = Protocols { h2: false, h2c: false, h3: false };
    let words = context.args(node, 1, usize::MAX).unwrap_or_default();
    for word in words {
        match word.text.as_str() {
            "h1" => {}
            "h2" => protocols.h2 = true,
            "h2c" => protocols.h2c = true,
            "h3" => {
                protocols.h3 = true;
                context.warning(&word.position, "HTTP/3 is experimental: its libraries change, and few have used it");
            }
            _ => unknown(word, "version of HTTP", &["h1", "h2", "h2c", "h3"], context),
        }
    }
    if !words.is_empty() && !words.iter().any(|word| word.text == "h1") {
        context.warning(&node.position, "HTTP/1.1 is spoken besides: every client knows it");
    }
    protocols
}

fn head_bytes_max(node: &Node, context: &mut Context<'_>) -> Option<usize> {
    let word = context.one(node)?;
    let bytes = values::size(word, context)?;
    if bytes < HEAD_BYTES_MIN {
        context.usage_error(&word.position, format_args!("a head of {bytes} bytes is too small for any request"));
    } else if bytes > REQUEST_HEAD_BYTES_MAX {
        context.warning(&word.position, "the head of a request has at most 64KiB here");
    }
    Some(bytes.min(REQUEST_HEAD_BYTES_MAX))
}

/// The directives of a `timeouts` block.
pub(super) static TIMEOUTS: Table<Timeouts> = Table {
    block: "a `timeouts` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "read_body",
            usage: "read_body DURATION",
            doc: "How long the body of a request may take altogether.",
            times: Times::Once,
            apply: |timeouts, node, context| timeouts.read_body = timeout(node, context),
        },
        Directive {
            name: "read_header",
            usage: "read_header DURATION",
            doc: "How long the head of a request may take.",
            times: Times::Once,
            apply: |timeouts, node, context| timeouts.read_header = timeout(node, context),
        },
        Directive {
            name: "write",
            usage: "write DURATION",
            doc: "How long a response may take, from the head of its request to its end.",
            times: Times::Once,
            apply: |timeouts, node, context| timeouts.write = timeout(node, context),
        },
        Directive {
            name: "idle",
            usage: "idle DURATION",
            doc: "How long a connection is kept for a next request.",
            times: Times::Once,
            apply: |timeouts, node, context| timeouts.idle = timeout(node, context),
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// How long something may take; `None` keeps igor's limit.
fn timeout(node: &Node, context: &mut Context<'_>) -> Option<Duration> {
    let word = context.one(node)?;
    let duration = values::duration(word, context)?;
    if duration.is_zero() {
        let message = "no time at all stands for no limit in Caddy; igor keeps its own limit";
        context.warning_with_hint(&word.position, message, "write a duration, or remove the line");
        return None;
    }
    Some(duration)
}

/// The directives of a `listener_wrappers` block.
pub(super) static LISTENER_WRAPPERS: Table<TrustedProxies> = Table {
    block: "a `listener_wrappers` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "proxy_protocol",
            usage: "proxy_protocol { … }",
            doc: "Trusted peers may begin a connection with a header of the PROXY protocol, version 1 or 2.",
            times: Times::Once,
            apply: |proxies, node, context| {
                context.count_args(node, node.args(), 0, 0);
                let mut protocol = ProxyProtocol { allowed: Vec::new(), timeout: Duration::from_secs(5) };
                PROXY_PROTOCOL.apply(&mut protocol, node.children(), context);
                if protocol.allowed.is_empty() {
                    let message = "`proxy_protocol` without `allow` trusts no peer, so it has no effect";
                    context.warning_with_hint(&node.position, message, "write `allow RANGE…` in its block");
                }
                proxies.protocol = Some(protocol);
            },
        },
        Directive {
            name: "tls",
            usage: "tls",
            doc: "The place of TLS, which is always behind the header.",
            times: Times::Once,
            apply: |_, node, context| {
                context.args(node, 0, 0);
            },
        },
    ],
    ignored: &[("http_redirect", "plain HTTP on a port of TLS is answered by 400")],
    unsupported: &[],
};

/// The directives of a `proxy_protocol` block.
pub(super) static PROXY_PROTOCOL: Table<ProxyProtocol> = Table {
    block: "a `proxy_protocol` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "allow",
            usage: "allow RANGE…",
            doc: "The peers whose header is believed.",
            times: Times::Many,
            apply: |protocol, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                protocol.allowed.extend(ip_ranges(words, context));
            },
        },
        Directive {
            name: "timeout",
            usage: "timeout DURATION",
            doc: "How long the header may take.",
            times: Times::Once,
            apply: |protocol, node, context| {
                let timeout = context.one(node).and_then(|word| values::duration(word, context));
                protocol.timeout = timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(protocol.timeout);
            },
        },
    ],
    ignored: &[("fallback_policy", "a header of a peer that is not allowed is no HTTP, and refused")],
    unsupported: &[("deny", "name the peers that are trusted, by `allow`")],
};

/// `servers [ADDRESS] { … }`.
pub(super) fn servers(global: &mut Global, node: &Node, context: &mut Context<'_>) {
    context.count_args(node, node.args(), 0, 1);
    if let Some(address) = node.args().first() {
        let message = format!("these settings are for all listeners, not only for `{}`", excerpt(&address.text));
        context.warning(&address.position, message);
    }
    SERVERS.apply(global, node.children(), context);
}
