//! The `cluster` block of the `frankenphp` block.

use super::super::cluster::{ClusterSettings, EngineSettings};
use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::limits;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::values;
use super::cluster_engine::engine;
use std::time::Duration;

/// The block while it is read.
#[derive(Default)]
pub(super) struct ClusterDraft {
    engine: Option<EngineSettings>,
    prefix: Option<String>,
    lease: Option<Duration>,
    max_bytes: Option<(usize, Position)>,
}

/// The directives of the `cluster` block.
pub(super) static CLUSTER: Table<ClusterDraft> = Table {
    block: "the `cluster` block",
    origin: "igor",
    directives: &[
        Directive {
            name: "engine",
            usage: "engine redis|valkey|etcd|nats URL… [{ … }]",
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
                cluster.max_bytes = Some((size, word.position.clone()));
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
    if let Some((size, position)) = draft.max_bytes {
        settings.max_bytes = size;
        check_size(&settings, &position, context);
    }
    Some(settings)
}

fn check_size(settings: &ClusterSettings, position: &Position, context: &mut Context<'_>) {
    let max = settings.engine.bytes_max();
    if settings.max_bytes == 0 || settings.max_bytes > max {
        let message = format!("`max_bytes` is not from 1 to {}MiB", max >> 20);
        let hint = "Redis takes no value of more than 512 MiB, etcd keeps old versions for a while, and NATS is for small messages";
        context.error_with_hint(position, message, hint);
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
