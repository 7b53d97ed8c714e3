//! The `cluster` block of the `frankenphp` block.

use super::super::cluster::{ClusterSettings, EngineSettings};
use super::super::context::Context;
use super::super::limits;
use super::super::secret::Password;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::values;
use std::time::Duration;

/// The block while it is read.
#[derive(Default)]
pub(super) struct ClusterDraft {
    engine: Option<EngineSettings>,
    prefix: Option<String>,
    lease: Option<Duration>,
    max_bytes: Option<usize>,
}

/// The directives of the `cluster` block.
pub(super) static CLUSTER: Table<ClusterDraft> = Table {
    block: "the `cluster` block",
    origin: "igor",
    directives: &[
        Directive {
            name: "engine",
            usage: "engine redis|valkey URL",
            doc: "What holds the leases and the snapshots of the cluster.",
            times: Times::Once,
            apply: |cluster, node, context| cluster.engine = engine(node, context),
        },
        Directive {
            name: "prefix",
            usage: "prefix NAME",
            doc: "The first part of every name in the engine; instances with the same one belong together.",
            times: Times::Once,
            apply: |cluster, node, context| cluster.prefix = context.one(node).and_then(|word| prefix(word, context)),
        },
        Directive {
            name: "lease",
            usage: "lease DURATION",
            doc: "How long a leader may be silent before another instance takes its place.",
            times: Times::Once,
            apply: |cluster, node, context| cluster.lease = context.one(node).and_then(|word| lease(word, context)),
        },
        Directive {
            name: "max_bytes",
            usage: "max_bytes SIZE",
            doc: "The bytes of the largest snapshot that a worker of the cluster may publish.",
            times: Times::Once,
            apply: |cluster, node, context| {
                let Some(word) = context.one(node) else { return };
                let Some(size) = values::size(word, context) else { return };
                if size == 0 || size > limits::CLUSTER_BYTES_MAX {
                    let message = format!("`{}` is not a size from 1 to 256MiB", excerpt(&word.text));
                    context.error_with_hint(&word.position, message, "Redis takes no value of more than 512 MiB");
                    return;
                }
                cluster.max_bytes = Some(size);
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `cluster { … }`.
pub(super) fn cluster(node: &Node, context: &mut Context<'_>) -> Option<ClusterSettings> {
    context.count_args(node, node.args(), 0, 0);
    let mut draft = ClusterDraft::default();
    CLUSTER.apply(&mut draft, node.children(), context);
    let engine_is_named = node.children().iter().any(|child| child.name() == "engine");
    let Some(engine) = draft.engine else {
        if !engine_is_named {
            let hint = "add `engine redis redis://127.0.0.1:6379`";
            context.error_with_hint(&node.position, "the `cluster` block has no engine", hint);
        }
        return None;
    };
    let mut settings = ClusterSettings::of(engine);
    settings.prefix = draft.prefix.unwrap_or(settings.prefix);
    settings.lease = draft.lease.unwrap_or(settings.lease);
    settings.max_bytes = draft.max_bytes.unwrap_or(settings.max_bytes);
    Some(settings)
}

fn engine(node: &Node, context: &mut Context<'_>) -> Option<EngineSettings> {
    let words = context.args(node, 1, usize::MAX)?;
    let kind = &words[0];
    match kind.text.as_str() {
        "redis" | "valkey" => {}
        other => {
            let message = match other {
                "etcd" | "nats" => format!("the engine `{other}` is not built into this release"),
                _ => format!("`{}` is no engine of a cluster", excerpt(other)),
            };
            let hint = "write `engine redis redis://HOST:PORT`; Redis and Valkey are known";
            context.error_with_hint(&kind.position, message, hint);
            return None;
        }
    }
    match words {
        [_, url] => address(url, context),
        _ => {
            let hint = "write `engine redis redis://HOST:PORT`, with one address: a Redis Cluster is not supported";
            context.error_with_hint(&kind.position, "the engine needs exactly one address", hint);
            None
        }
    }
}

/// The message does not show the word, which may hold a password.
fn address(word: &Token, context: &mut Context<'_>) -> Option<EngineSettings> {
    let scheme = word.text.split("://").next().unwrap_or_default();
    let hint = match scheme {
        "rediss" | "valkeys" => {
            "TLS to the engine is not built into this release: use a tunnel such as stunnel or a mesh"
        }
        "redis+sentinel" => "Sentinel is not built into this release: name an address that follows the primary",
        _ => "write `redis://HOST:PORT`, or `redis://USER:PASSWORD@HOST:PORT/NUMBER`",
    };
    let rest = word.text.strip_prefix("redis://").or_else(|| word.text.strip_prefix("valkey://"));
    match rest.map(|rest| rest.rsplit('@').next().unwrap_or_default()) {
        Some(host) if !host.is_empty() && !host.starts_with(['/', ':']) => {
            Some(EngineSettings { url: Password(format!("redis://{}", rest.unwrap_or_default())) })
        }
        _ => {
            context.error_with_hint(&word.position, "this is no address of a Redis server", hint);
            None
        }
    }
}

fn prefix(word: &Token, context: &mut Context<'_>) -> Option<String> {
    let text = values::filled(word, "the prefix", context)?;
    let is_plain = text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if !is_plain || text.len() > limits::CLUSTER_PREFIX_BYTES_MAX {
        let max = limits::CLUSTER_PREFIX_BYTES_MAX;
        let hint = format!("use at most {max} letters, digits, `-`, `_` and `.`");
        context.error_with_hint(&word.position, "this is no prefix", hint);
        return None;
    }
    Some(text.to_owned())
}

fn lease(word: &Token, context: &mut Context<'_>) -> Option<Duration> {
    let lease = values::duration(word, context)?;
    if lease < limits::CLUSTER_LEASE_MIN || lease > limits::CLUSTER_LEASE_MAX {
        let message = format!("a lease of `{}` is not between 1s and 1h", excerpt(&word.text));
        let hint = "a short one fails over fast; one that is too short ends in every pause of the network";
        context.error_with_hint(&word.position, message, hint);
        return None;
    }
    Some(lease)
}
