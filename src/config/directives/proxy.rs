//! The directives `reverse_proxy` and `forward_auth`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::handlers::{ReverseProxy, Status};
use super::super::header_rule::{HeaderOp, HeaderRule};
use super::super::limits;
use super::super::proxy::{HealthCheck, ProxySettings, UpstreamAddress, UpstreamProtocol, UpstreamVersions};
use super::super::response_matcher::StatusPattern;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Seen, Table, Times};
use super::super::text::Text;
use super::super::values;
use super::header::request_header;
use super::lb_policy::{check_weights, lb_policy};
use super::matchers::{field_name, ip_ranges};
use super::proxy_transport::transport;
use super::replies::{ReadBlock, RepliesDraft};

/// A `reverse_proxy` block while it is read.
pub(super) struct ProxyDraft {
    proxy: ReverseProxy,
    /// Whether one was named, perhaps a wrong one.
    has_upstream: bool,
    /// The protocol of the upstreams so far.
    protocol: Option<UpstreamProtocol>,
    health_uri: Option<String>,
    health: HealthCheck,
    replies: RepliesDraft,
    /// The place of `lb_policy`, whose weights are compared with the upstreams at the end.
    weighted: Option<Position>,
}

impl ProxyDraft {
    pub(super) fn settings(&mut self) -> &mut ProxySettings {
        &mut self.proxy.settings
    }

    /// One upstream, or one for each port of `host:3000-3002`.
    fn add_upstream(&mut self, word: &Token, context: &mut Context<'_>) {
        self.has_upstream = true;
        match port_range(&word.text) {
            None => self.add_one(&word.text, word, context),
            Some((host, ports)) if ports.clone().count() <= limits::UPSTREAM_PORTS_MAX => {
                ports.for_each(|port| self.add_one(&format!("{host}:{port}"), word, context));
            }
            Some(_) => {
                let message = format!("`{}` has more than {} ports", excerpt(&word.text), limits::UPSTREAM_PORTS_MAX);
                context.usage_error(&word.position, message);
            }
        }
    }

    fn add_one(&mut self, text: &str, word: &Token, context: &mut Context<'_>) {
        let (address, protocol) = match UpstreamAddress::parse(text) {
            Ok(parsed) => parsed,
            Err(reason) => {
                let message = format!("the upstream `{}` {reason}", excerpt(&word.text));
                context.usage_error(&word.position, message);
                return;
            }
        };
        if self.protocol.is_some_and(|others| others != protocol) {
            let message = "the upstreams of one proxy are all reached by HTTP, all by HTTPS, or all by h2c";
            context.error(&word.position, message);
        }
        self.protocol = Some(protocol);
        self.settings().upstreams.push(address);
    }
}

/// Host and ports of `host:3000-3002`; `None`: it is no range.
fn port_range(text: &str) -> Option<(&str, RangeInclusive<u16>)> {
    let (host, ports) = text.rsplit_once(':').filter(|_| !text.starts_with("unix/"))?;
    let (first, last) = ports.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (0 < first && first <= last).then_some((host, first..=last))
}

macro_rules! setting {
    ($name:literal, $usage:literal, $doc:literal, $apply:expr) => {
        setting!($name, $usage, $doc, Times::Once, $apply)
    };
    ($name:literal, $usage:literal, $doc:literal, $times:expr, $apply:expr) => {
        Directive { name: $name, usage: $usage, doc: $doc, times: $times, apply: $apply }
    };
}

const STREAMED: &str = "bodies are passed on as they come";

/// The directives of a `reverse_proxy` block.
pub(super) static REVERSE_PROXY: Table<ProxyDraft> = Table {
    block: "a `reverse_proxy` block",
    origin: "Caddy",
    directives: &[
        setting!("to", "to UPSTREAM…", "More upstreams.", Times::Many, |draft, node, context| {
            let words = context.args(node, 1, usize::MAX).unwrap_or_default();
            words.iter().for_each(|word| draft.add_upstream(word, context));
        }),
        setting!(
            "lb_policy",
            "lb_policy POLICY [ARGUMENT…] [{ … }]",
            "Which upstream gets a request.",
            |draft, node, context| {
                draft.weighted = Some(node.position.clone());
                lb_policy(draft.settings(), node, context);
            }
        ),
        setting!(
            "lb_retries",
            "lb_retries COUNT",
            "How often a request that no upstream has taken is tried again.",
            |draft, node, context| {
                let count = context.one(node).and_then(|word| values::count(word, 0, 1_000, context));
                draft.settings().retries = count.unwrap_or_default();
            }
        ),
        setting!(
            "lb_try_duration",
            "lb_try_duration DURATION",
            "How long a request that no upstream has taken is tried again.",
            |draft, node, context| put(&mut draft.settings().try_duration, node, context)
        ),
        setting!(
            "lb_try_interval",
            "lb_try_interval DURATION",
            "The pause between two tries.",
            |draft, node, context| put(&mut draft.settings().try_interval, node, context)
        ),
        setting!(
            "health_uri",
            "health_uri URI",
            "Upstreams are asked for this at intervals; those that do not answer well get no requests.",
            |draft, node, context| {
                let uri = context.one(node).and_then(|word| values::filled(word, "the URI", context));
                draft.health_uri = uri.map(|uri| if uri.starts_with('/') { uri.into() } else { format!("/{uri}") });
            }
        ),
        setting!("health_port", "health_port PORT", "Health checks go to this port.", |draft, node, context| {
            let port = context.one(node).and_then(|word| values::count(word, 1, 65_535, context));
            draft.health.port = port.and_then(|port| u16::try_from(port).ok());
        }),
        setting!(
            "health_interval",
            "health_interval DURATION",
            "The time between two health checks.",
            |draft, node, context| put(&mut draft.health.interval, node, context)
        ),
        setting!(
            "health_timeout",
            "health_timeout DURATION",
            "How long the answer to a health check may take.",
            |draft, node, context| put(&mut draft.health.timeout, node, context)
        ),
        setting!("health_status", "health_status STATUS", "The status of a healthy answer.", |draft, node, context| {
            draft.health.status = context.one(node).and_then(|word| status(word, context));
        }),
        setting!(
            "fail_duration",
            "fail_duration DURATION",
            "An upstream that fails gets no requests for this time.",
            |draft, node, context| put(&mut draft.settings().fail_duration, node, context)
        ),
        setting!("max_fails", "max_fails COUNT", "So many failures make it one that fails.", |draft, node, context| {
            let count = context.one(node).and_then(|word| values::count(word, 1, 1_000, context));
            draft.settings().max_fails = count.unwrap_or(1);
        }),
        setting!(
            "unhealthy_status",
            "unhealthy_status STATUS…",
            "Responses with these statuses count as failures.",
            |draft, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                let statuses = words.iter().filter_map(|word| status(word, context)).collect();
                draft.settings().unhealthy_statuses = statuses;
            }
        ),
        setting!(
            "unhealthy_latency",
            "unhealthy_latency DURATION",
            "Responses that take longer count as failures.",
            |draft, node, context| {
                let latency = context.one(node).and_then(|word| values::duration(word, context));
                draft.settings().unhealthy_latency = latency;
            }
        ),
        setting!(
            "unhealthy_request_count",
            "unhealthy_request_count COUNT",
            "An upstream gets so many requests at once and no more.",
            |draft, node, context| {
                let count = context.one(node).and_then(|word| values::count(word, 1, 1_000_000, context));
                draft.settings().max_requests = count.unwrap_or_default();
            }
        ),
        setting!(
            "trusted_proxies",
            "trusted_proxies RANGE…",
            "The proxies in front whose `X-Forwarded-…` fields are passed on.",
            Times::Many,
            |draft, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                draft.proxy.trusted.extend(ip_ranges(words, context));
            }
        ),
        setting!(
            "header_up",
            "header_up [+|-]FIELD [VALUE [REPLACEMENT]]",
            "Changes a header field of the request to the upstream.",
            Times::Many,
            |draft, node, context| {
                context.no_block(node);
                draft.proxy.request_headers.ops.extend(request_header(node, node.args(), context).ops);
            }
        ),
        setting!(
            "header_down",
            "header_down [+|-|?]FIELD [VALUE [REPLACEMENT]]",
            "Changes a header field of the upstream's response.",
            Times::Many,
            |draft, node, context| {
                context.no_block(node);
                draft.proxy.response_headers.ops.extend(request_header(node, node.args(), context).ops);
            }
        ),
        setting!("method", "method METHOD", "The upstream is asked by this method.", |draft, node, context| {
            draft.proxy.method = context.one(node).and_then(|word| values::text(word, context));
        }),
        setting!("rewrite", "rewrite TO", "The upstream is asked for this path and query.", |draft, node, context| {
            draft.proxy.rewrite = context.one(node).and_then(|word| values::text(word, context));
        }),
        setting!(
            "replace_status",
            "replace_status [@MATCHER] STATUS",
            "Replaces the status of certain responses.",
            Times::Many,
            |draft, node, context| draft.replies.replace_status(node, context)
        ),
        setting!(
            "handle_response",
            "handle_response [@MATCHER] { … }",
            "Routes that answer in the place of certain responses.",
            Times::Many,
            |draft, node, context| draft.replies.handle_response(node, context)
        ),
        setting!(
            "transport",
            "transport http|fastcgi { … }",
            "How connections to upstreams are made.",
            |draft, node, context| transport(draft.settings(), node, context)
        ),
        setting!(
            "flush_interval",
            "flush_interval DURATION",
            "Accepted for Caddyfiles that have it: responses are always passed on at once.",
            |_, node, context| {
                let word = context.one(node);
                word.filter(|word| word.text != "-1").and_then(|word| values::duration(word, context));
            }
        ),
    ],
    ignored: &[
        ("lb_retry_match", "what is tried again is a request with GET, and one that no connection was made for"),
        ("health_headers", "health checks are plain requests with GET"),
        ("health_body", "health checks look at the status only"),
        ("health_method", "health checks are plain requests with GET"),
        ("health_follow_redirects", "a redirect is a healthy answer"),
        ("health_passes", "one good health check is enough"),
        ("health_fails", "one bad health check is enough"),
        ("request_buffers", STREAMED),
        ("response_buffers", STREAMED),
        ("buffer_requests", STREAMED),
        ("buffer_responses", STREAMED),
        ("max_buffer_size", STREAMED),
        ("stream_buffer_size", STREAMED),
        ("stream_timeout", "a WebSocket ends when one of its two sides ends it"),
        ("stream_close_delay", "a WebSocket outlives a reload"),
        ("verbose_logs", "every failure of an upstream is logged"),
    ],
    unsupported: &[
        ("dynamic", "name the upstreams"),
        ("health_path", "use `health_uri`"),
        ("health_upstream", "use `health_port`"),
    ],
};

fn put(setting: &mut Duration, node: &Node, context: &mut Context<'_>) {
    if let Some(duration) = context.one(node).and_then(|word| values::duration(word, context)) {
        *setting = duration;
    }
}

fn status(word: &Token, context: &mut Context<'_>) -> Option<StatusPattern> {
    // Caddy also writes a class as its first digit.
    let class = Some(&word.text).filter(|text| text.len() == 1).map(|digit| format!("{digit}xx"));
    let pattern = StatusPattern::parse(class.as_deref().unwrap_or(&word.text));
    if pattern.is_none() {
        context.usage_error(&word.position, format_args!("`{}` is no status", excerpt(&word.text)));
    }
    pattern
}

pub(super) fn draft(args: &[Token], read_block: ReadBlock, context: &mut Context<'_>) -> ProxyDraft {
    let health = HealthCheck {
        uri: String::new(),
        port: None,
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(5),
        status: None,
    };
    let none = || HeaderRule { defer: true, ..HeaderRule::default() };
    let mut draft = ProxyDraft {
        proxy: ReverseProxy {
            settings: ProxySettings::new(Vec::new()),
            method: None,
            rewrite: None,
            request_headers: none(),
            response_headers: none(),
            trusted: Vec::new(),
            replies: Vec::new(),
        },
        has_upstream: false,
        protocol: None,
        health_uri: None,
        health,
        replies: RepliesDraft::new(read_block),
        weighted: None,
    };
    args.iter().for_each(|word| draft.add_upstream(word, context));
    draft
}

pub(super) fn finish(draft: ProxyDraft, node: &Node, context: &mut Context<'_>) -> ReverseProxy {
    let ProxyDraft { mut proxy, has_upstream, protocol, health_uri, health, replies, weighted } = draft;
    if !has_upstream {
        context.usage_error(&node.position, format_args!("`{}` has no upstream", node.name()));
    }
    if let Some(position) = weighted {
        check_weights(&proxy.settings, &position, context);
    }
    match protocol {
        Some(UpstreamProtocol::Https) => drop(proxy.settings.tls.get_or_insert_default()),
        Some(UpstreamProtocol::H2c) => proxy.settings.versions = UpstreamVersions::H2c,
        _ => {}
    }
    let is_h2c = proxy.settings.versions == UpstreamVersions::H2c;
    if is_h2c && (proxy.settings.tls.is_some() || proxy.settings.fastcgi.is_some()) {
        let message = "h2c is HTTP/2 without encryption, and no FastCGI";
        let hint = "remove `h2c`; with `https://`, igor speaks HTTP/2 with the upstreams that offer it";
        context.error_with_hint(&node.position, message, hint);
    }
    if proxy.settings.versions == UpstreamVersions::Http2 && proxy.settings.tls.is_none() {
        let message = "`versions 2` has no effect without encryption: the upstreams are asked by HTTP/1.1";
        context.warning_with_hint(&node.position, message, "write `https://` or `h2c://` in front of each upstream");
    }
    if proxy.settings.fastcgi.is_some() {
        if proxy.settings.tls.is_some() {
            context.error_with_hint(
                &node.position,
                "FastCGI has no encryption",
                "name the upstream without `https://`",
            );
        }
        if health_uri.is_some() {
            context.warning(&node.position, "`health_uri` has no effect: health checks speak HTTP, not FastCGI");
        }
    }
    proxy.settings.health =
        health_uri.filter(|_| proxy.settings.fastcgi.is_none()).map(|uri| HealthCheck { uri, ..health });
    proxy.replies = replies.finish();
    proxy
}

/// `reverse_proxy [UPSTREAM…] [{ … }]`. `args` is what follows the matcher.
pub(super) fn reverse_proxy(
    node: &Node,
    args: &[Token],
    context: &mut Context<'_>,
    read_block: ReadBlock,
) -> ReverseProxy {
    let mut draft = draft(args, read_block, context);
    draft.replies.define(node.children(), context);
    let mut seen = Seen::default();
    for child in node.children().iter().filter(|child| !child.name().starts_with('@')) {
        if !REVERSE_PROXY.apply_known(&mut draft, child, &mut seen, context) {
            REVERSE_PROXY.report_unknown(child, &[], context);
            REVERSE_PROXY.apply_misspelled(&mut draft, child, context);
        }
    }
    finish(draft, node, context)
}

/// The directives of `forward_auth` besides those of `reverse_proxy`.
pub(super) static FORWARD_AUTH: Table<AuthDraft> = Table {
    block: "a `forward_auth` block",
    origin: "Caddy",
    directives: &[
        setting!("uri", "uri TO", "What the upstream is asked for.", |draft, node, context| {
            draft.uri = context.one(node).and_then(|word| values::text(word, context));
        }),
        setting!(
            "copy_headers",
            "copy_headers FIELD[>NAME]…",
            "Fields of the upstream's response that the request gets, perhaps by another name.",
            Times::Many,
            |draft, node, context| {
                draft.copied.extend(node.args().iter().cloned());
                draft.copied.extend(node.children().iter().flat_map(|child| child.words.iter().cloned()));
                if draft.copied.is_empty() {
                    context.usage_error(&node.position, "`copy_headers` needs a field");
                }
            }
        ),
    ],
    ignored: &[],
    unsupported: &[],
};

/// A `forward_auth` block while it is read.
#[derive(Default)]
pub(super) struct AuthDraft {
    uri: Option<Text>,
    copied: Vec<Token>,
}

/// `forward_auth UPSTREAM… { … }`: a success of the upstream lets the request continue, any other response is the answer.
pub(super) fn forward_auth(
    node: &Node,
    args: &[Token],
    context: &mut Context<'_>,
    read_block: ReadBlock,
) -> ReverseProxy {
    let (mut auth, mut draft) = (AuthDraft::default(), draft(args, read_block, context));
    draft.replies.define(node.children(), context);
    let mut seen = (Seen::default(), Seen::default());
    for child in node.children().iter().filter(|child| !child.name().starts_with('@')) {
        if !FORWARD_AUTH.apply_known(&mut auth, child, &mut seen.0, context)
            && !REVERSE_PROXY.apply_known(&mut draft, child, &mut seen.1, context)
        {
            FORWARD_AUTH.report_unknown(child, &[], context);
        }
    }
    if auth.uri.is_none() {
        context.usage_error(&node.position, "`forward_auth` needs a `uri`");
    }
    draft.proxy.method = Some(Text::literal("GET"));
    draft.proxy.rewrite = auth.uri;
    let mut own = Vec::new();
    for (field, value) in [("X-Forwarded-Method", "{method}"), ("X-Forwarded-Uri", "{uri}")] {
        own.extend(super::header::set(field, value, node, context));
    }
    draft.proxy.request_headers.ops.splice(0..0, own);
    let (removed, copied) = copied_fields(&auth.copied, node, context);
    draft.replies.go_on_with(removed, copied, node);
    finish(draft, node, context)
}

/// The fields to remove from the request, and for each field to set, its value from the response.
fn copied_fields(words: &[Token], node: &Node, context: &mut Context<'_>) -> (Vec<HeaderOp>, Vec<(Text, HeaderOp)>) {
    let (mut removed, mut copied) = (Vec::new(), Vec::new());
    for word in words {
        let (from, to) = word.text.split_once('>').unwrap_or((&word.text, &word.text));
        let (Some(from), Some(field)) = (field_name(word, from, context), field_name(word, to, context)) else {
            continue;
        };
        let value = Token { text: format!("{{http.reverse_proxy.header.{from}}}"), ..node.words[0].clone() };
        let Some(value) = values::text(&value, context) else { continue };
        removed.push(HeaderOp::Remove { field: field.clone() });
        copied.push((value.clone(), HeaderOp::Set { field, value }));
    }
    (removed, copied)
}

/// `copy_response [STATUS]`.
pub(super) fn copy_response(node: &Node, args: &[Token], context: &mut Context<'_>) -> Option<Status> {
    context.no_block(node);
    match context.count_args(node, args, 0, 1)? {
        [word] => super::replies::replaced_status(word, context),
        _ => Some(Status::Usual),
    }
}
