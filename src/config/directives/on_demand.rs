//! The global option `on_demand_tls`.

use super::super::context::Context;
use super::super::limits;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::tls::OnDemandSettings;
use super::super::values;

/// The directives of an `on_demand_tls` block.
pub(super) static ON_DEMAND_TLS: Table<OnDemandSettings> = Table {
    block: "the `on_demand_tls` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "ask",
            usage: "ask URL",
            doc: "The address that answers with a status of 200 to 299 for each host that may have a certificate.",
            times: Times::Once,
            apply: |settings, node, context| {
                settings.ask = context.one(node).and_then(|word| endpoint(word, context));
            },
        },
        Directive {
            name: "permission",
            usage: "permission http URL",
            doc: "The same as `ask URL`.",
            times: Times::Once,
            apply: permission,
        },
        Directive {
            name: "interval",
            usage: "interval DURATION",
            doc: "The time that `burst` counts for.",
            times: Times::Once,
            apply: |settings, node, context| {
                if let Some(interval) = context.one(node).and_then(|word| values::duration(word, context)) {
                    settings.interval = interval;
                }
            },
        },
        Directive {
            name: "burst",
            usage: "burst COUNT",
            doc: "The most new certificates in an interval.",
            times: Times::Once,
            apply: |settings, node, context| {
                let count = context.one(node);
                let count = count.and_then(|word| values::count(word, 1, limits::ON_DEMAND_BURST_MAX, context));
                settings.burst = count.unwrap_or(settings.burst);
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

/// `on_demand_tls { … }`
pub(super) fn on_demand(node: &Node, context: &mut Context<'_>) -> OnDemandSettings {
    context.count_args(node, node.args(), 0, 0);
    let mut settings = OnDemandSettings::default();
    ON_DEMAND_TLS.apply(&mut settings, node.children(), context);
    settings
}

/// `permission http URL`, or with a block that has `endpoint URL`
fn permission(settings: &mut OnDemandSettings, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.count_args(node, node.args(), 1, 2) else { return };
    if args[0].text != "http" {
        unknown(&args[0], "permission", &["http"], context);
        return;
    }
    let in_block =
        || node.children().iter().find(|child| child.name() == "endpoint").and_then(|child| child.args().first());
    match args.get(1).or_else(in_block) {
        Some(word) => settings.ask = endpoint(word, context),
        None => context.usage_error(&node.position, "`permission http` needs an address"),
    }
}

/// An address that can be asked.
fn endpoint(word: &Token, context: &mut Context<'_>) -> Option<String> {
    let behind = word.text.strip_prefix("http://").or_else(|| word.text.strip_prefix("https://"));
    let is_written_out = |text: &str| text.chars().all(|letter| letter.is_ascii_graphic() && letter != '#');
    if !behind.is_some_and(|text| is_written_out(text) && !text.is_empty() && !text.starts_with(['/', '?', ':'])) {
        let message = format!("`{}` is no address that can be asked", excerpt(&word.text));
        context.error_with_hint(&word.position, message, "write for example `http://localhost:9123/ask`");
        return None;
    }
    Some(word.text.clone())
}
