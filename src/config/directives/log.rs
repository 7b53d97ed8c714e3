//! The `log` directive, of the process and of a site.

use super::super::context::Context;
use super::super::settings::{LogFormat, LogLevel, LogOutput, LogSettings};
use super::super::syntax::{Node, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;

/// The directives of a `log` block.
pub(super) static LOG: Table<LogSettings> = Table {
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
                ];
                log.level = context.one(node).and_then(|word| values::choice(word, "log level", &known, context));
            },
        },
        Directive {
            name: "format",
            usage: "format text|json",
            doc: "A line of text or a JSON object a record; `console` is another name of `text`.",
            times: Times::Once,
            apply: |log, node, context| {
                let known = [("text", LogFormat::Text), ("json", LogFormat::Json), ("console", LogFormat::Text)];
                let format = context.one(node).and_then(|word| values::choice(word, "log format", &known, context));
                log.format = format.unwrap_or_default();
            },
        },
        Directive {
            name: "output",
            usage: "output stderr|stdout|discard|file PATH",
            doc: "Where the records go.",
            times: Times::Once,
            apply: output,
        },
    ],
    ignored: &[],
    unsupported: &[
        ("include", "remove it; there is one logger"),
        ("exclude", "remove it; there is one logger"),
        ("hostnames", "remove it; the access log has all hosts of its site"),
        ("no_hostname", "remove it"),
        ("sampling", "remove it; raise `level` instead"),
        ("core", "use `output`"),
    ],
};

/// `log [{ … }]`.
pub(super) fn log(node: &Node, context: &mut Context<'_>) -> LogSettings {
    let mut settings = LogSettings::default();
    match node.args() {
        [] => {}
        [name] if name.text == "default" => {}
        [name, ..] => {
            let message =
                format!("named loggers (`{}`) are a Caddy feature that igor does not support yet", excerpt(&name.text));
            context.error_with_hint(&name.position, message, "write `log {` without a name");
        }
    }
    LOG.apply(&mut settings, node.children(), context);
    settings
}

fn output(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.args(node, 1, 2) else { return };
    match args {
        [word] if word.text == "stderr" => log.output = LogOutput::Stderr,
        [word] if word.text == "stdout" => log.output = LogOutput::Stdout,
        [word] if word.text == "discard" => log.output = LogOutput::Discard,
        [word, path] if word.text == "file" => {
            if let Some(path) = values::filled(path, "the path of the log file", context) {
                log.output = LogOutput::File(context.path(path));
            }
        }
        [word, ..] if ["stderr", "stdout", "discard", "file"].contains(&word.text.as_str()) => {
            context.usage_error(&word.position, format_args!("`{}` with these arguments is no output", word.text));
        }
        [word, ..] => unknown(word, "log output", &["stderr", "stdout", "discard", "file"], context),
        [] => {}
    }
}
