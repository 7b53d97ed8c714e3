//! `transport fastcgi` of `reverse_proxy`: PHP in another process.

use std::time::Duration;

use super::super::context::Context;
use super::super::proxy::{FastcgiSettings, ProxySettings};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use super::super::values;

macro_rules! setting {
    ($name:literal, $usage:literal, $doc:literal, $apply:expr) => {
        setting!($name, $usage, $doc, Times::Once, $apply)
    };
    ($name:literal, $usage:literal, $doc:literal, $times:expr, $apply:expr) => {
        Directive { name: $name, usage: $usage, doc: $doc, times: $times, apply: $apply }
    };
}

/// The directives of a `transport fastcgi` block.
pub(super) static FASTCGI: Table<ProxySettings> = Table {
    block: "a `transport fastcgi` block",
    origin: "Caddy",
    directives: &[
        setting!(
            "root",
            "root DIRECTORY",
            "The document root as the other process knows it.",
            |settings, node, context| {
                let word = context.one(node).filter(|word| !word.text.is_empty());
                fastcgi(settings).root = word.and_then(|word| values::text(word, context));
            }
        ),
        setting!(
            "split",
            "split SUFFIX…",
            "The suffixes that end a script's name in a path; what follows is `PATH_INFO`.",
            |settings, node, context| fastcgi(settings).split_path = suffixes(node, context)
        ),
        setting!("env", "env NAME VALUE", "One more parameter.", Times::Many, |settings, node, context| {
            let Some([name, value]) = context.args(node, 2, 2) else { return };
            let name = values::filled(name, "the name of the variable", context).map(str::to_owned);
            if let (Some(name), Some(value)) = (name, values::text(value, context)) {
                fastcgi(settings).env.push((name, value));
            }
        }),
        setting!(
            "resolve_root_symlink",
            "resolve_root_symlink",
            "Resolves symbolic links in the root first.",
            |settings, node, context| {
                context.args(node, 0, 0);
                fastcgi(settings).resolve_root_symlink = true;
            }
        ),
        setting!(
            "dial_timeout",
            "dial_timeout DURATION",
            "How long it may take to connect.",
            |settings, node, context| {
                if let Some(limit) = limit(node, context) {
                    settings.dial_timeout = limit;
                }
            }
        ),
        setting!(
            "read_timeout",
            "read_timeout DURATION",
            "How long the upstream may send nothing once it has the request.",
            |settings, node, context| settings.read_timeout = limit(node, context)
        ),
        setting!(
            "write_timeout",
            "write_timeout DURATION",
            "How long the upstream may read nothing of a request.",
            |settings, node, context| fastcgi(settings).write_timeout = limit(node, context)
        ),
        setting!(
            "capture_stderr",
            "capture_stderr",
            "Logs what scripts write to their error output.",
            |settings, node, context| {
                context.args(node, 0, 0);
                fastcgi(settings).capture_stderr = true;
            }
        ),
    ],
    ignored: &[],
    unsupported: &[],
};

fn fastcgi(settings: &mut ProxySettings) -> &mut FastcgiSettings {
    settings.fastcgi.get_or_insert_default()
}

/// A time limit; zero means none.
fn limit(node: &Node, context: &mut Context<'_>) -> Option<Duration> {
    context.one(node).and_then(|word| values::duration(word, context)).filter(|limit| !limit.is_zero())
}

/// `transport fastcgi { … }`.
pub(super) fn transport_fastcgi(settings: &mut ProxySettings, nodes: &[Node], context: &mut Context<'_>) {
    fastcgi(settings);
    FASTCGI.apply(settings, nodes, context);
}

/// Suffixes of scripts, such as `.php`.
pub(super) fn suffixes(node: &Node, context: &mut Context<'_>) -> Vec<String> {
    let words = context.args(node, 1, usize::MAX).unwrap_or_default();
    words.iter().filter_map(|word| suffix(word, context)).collect()
}

fn suffix(word: &Token, context: &mut Context<'_>) -> Option<String> {
    if word.text.starts_with('.') && word.text.len() > 1 && word.text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some(word.text.to_ascii_lowercase());
    }
    let message = format!("`{}` is not a suffix like `.php`", excerpt(&word.text));
    context.usage_error(&word.position, message);
    None
}
