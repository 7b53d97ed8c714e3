//! The `log` directive, of the process and of a site.

mod format;
mod output;
mod php_fpm;

use super::super::context::Context;
use super::super::settings::{LogLevel, LogSettings};
use super::super::syntax::{Node, excerpt};
use super::super::table::{Directive, DirectiveDoc, Table, Times};
use super::super::values;

/// The directives of a `log` block.
static LOG: Table<LogSettings> = Table {
    block: "a `log` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "level",
            usage: "level debug|info|warn|error",
            doc: "The least severe level that is written.",
            times: Times::Once,
            apply: |log, node, context| {
                let known = [
                    ("debug", LogLevel::Debug),
                    ("info", LogLevel::Info),
                    ("warn", LogLevel::Warn),
                    ("error", LogLevel::Error),
                    ("panic", LogLevel::Error),
                    ("fatal", LogLevel::Error),
                ];
                match node.args() {
                    // A variable of the environment that is empty means the default, as in Caddy.
                    [] => context.no_block(node),
                    _ => {
                        let level = context.one(node);
                        log.level = level.and_then(|word| values::choice(word, "log level", &known, context));
                    }
                }
            },
        },
        Directive {
            name: "format",
            usage: "format text|console|json|filter|append|php_fpm [{ … }]",
            doc: "A line of text or a JSON object a record; `filter` and `append` change records of the access log, `php_fpm` writes php-fpm's.",
            times: Times::Once,
            apply: format::format,
        },
        Directive {
            name: "output",
            usage: "output stderr|stdout|discard|file PATH [{ … }]",
            doc: "Where the records go.",
            times: Times::Once,
            apply: output::output,
        },
        Directive {
            name: "hostnames",
            usage: "hostnames HOST…",
            doc: "The hosts whose requests are written; without it, all of the site.",
            times: Times::Once,
            apply: |log, node, context| {
                let words = context.args(node, 1, usize::MAX).unwrap_or_default();
                log.hostnames = words.iter().map(|word| word.text.to_ascii_lowercase()).collect();
            },
        },
        Directive {
            name: "log_credentials",
            usage: "log_credentials",
            doc: "Shows the secrets of queries and header fields, which are masked otherwise.",
            times: Times::Once,
            apply: |log, node, context| {
                context.args(node, 0, 0);
                log.credentials = true;
            },
        },
    ],
    ignored: &[
        ("include", "there is one log of the process, and each site names its own logs"),
        ("exclude", "there is one log of the process; lower its level by `IGOR_LOG`"),
        ("no_hostname", "an access log has the hosts of its site"),
        ("sampling", "every record is written; raise `level` for fewer"),
    ],
    unsupported: &[("core", "use `output`")],
};

/// The documentation of the blocks.
pub(super) fn docs() -> impl Iterator<Item = DirectiveDoc> {
    LOG.docs()
        .chain(output::FILE.docs())
        .chain(format::STYLE.docs())
        .chain(format::FILTER.docs())
        .chain(format::APPEND.docs())
        .chain(php_fpm::PHP_FPM.docs())
}

/// `log [NAME] [{ … }]` of a site. The name is only for readers: nothing refers to it.
pub(super) fn log(node: &Node, context: &mut Context<'_>) -> LogSettings {
    let mut settings = LogSettings::default();
    context.count_args(node, node.args(), 0, 1);
    LOG.apply(&mut settings, node.children(), context);
    settings
}

/// `log [NAME] [{ … }]` of the process.
/// `None`: igor does not have it.
pub(super) fn process_log(node: &Node, context: &mut Context<'_>) -> Option<LogSettings> {
    let settings = log(node, context);
    if settings.fpm.is_some() {
        context.error_with_hint(
            &node.position,
            "the log of the process cannot be in the format `php_fpm`: its records are not all requests",
            "write `log { format php_fpm }` into the site",
        );
        return None;
    }
    match node.args().first() {
        Some(name) if name.text != "default" => {
            let message = format!(
                "the logger `{}` has no effect: there is one log of the process, `log {{` without a name, and each site \
                 names its own logs",
                excerpt(&name.text)
            );
            context.warning(&name.position, message);
            None
        }
        _ => Some(settings),
    }
}
