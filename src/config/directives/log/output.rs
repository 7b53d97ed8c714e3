//! `output` of a `log` block.

use super::super::super::context::Context;
use super::super::super::limits;
use super::super::super::settings::{LogOutput, LogRoll, LogSettings};
use super::super::super::syntax::{Node, Token};
use super::super::super::table::{Directive, Table, Times, unknown};
use super::super::super::values;

/// The directives of an `output file` block.
pub(super) static FILE: Table<Option<LogRoll>> = Table {
    block: "an `output file` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "roll_disabled",
            usage: "roll_disabled",
            doc: "The file grows without a bound, for a tool like `logrotate` with `copytruncate`.",
            times: Times::Once,
            apply: |roll, node, context| {
                context.args(node, 0, 0);
                *roll = None;
            },
        },
        Directive {
            name: "roll_size",
            usage: "roll_size SIZE",
            doc: "The size at which a new file begins.",
            times: Times::Once,
            apply: |roll, node, context| {
                let size = context.one(node).and_then(|word| values::size(word, context));
                if let (Some(roll), Some(size)) = (roll, size) {
                    roll.size_bytes = size as u64;
                }
            },
        },
        Directive {
            name: "roll_keep",
            usage: "roll_keep NUMBER",
            doc: "How many old files are kept.",
            times: Times::Once,
            apply: |roll, node, context| {
                let keep = context.one(node).and_then(|word| values::count(word, 0, limits::LOG_FILES_MAX, context));
                if let (Some(roll), Some(keep)) = (roll, keep) {
                    roll.keep = keep;
                }
            },
        },
        Directive {
            name: "roll_keep_for",
            usage: "roll_keep_for DURATION",
            doc: "How long old files are kept.",
            times: Times::Once,
            apply: |roll, node, context| {
                let keep_for = context.one(node).and_then(|word| values::duration(word, context));
                if let (Some(roll), Some(keep_for)) = (roll, keep_for) {
                    roll.keep_for = keep_for;
                }
            },
        },
        Directive {
            name: "roll_uncompressed",
            usage: "roll_uncompressed",
            doc: "Old files are not compressed.",
            times: Times::Once,
            apply: |roll, node, context| {
                context.args(node, 0, 0);
                if let Some(roll) = roll {
                    roll.compress = false;
                }
            },
        },
    ],
    ignored: &[
        ("roll_local_time", "the names of old files have UTC"),
        ("roll_interval", "files are rolled by their size"),
        ("mode", "a log file gets the mode that the umask leaves"),
        ("dir_mode", "folders get the mode that the umask leaves"),
    ],
    unsupported: &[],
};

const OUTPUTS: [&str; 4] = ["stderr", "stdout", "discard", "file"];

/// `file PATH { … }`, with the rolling that is usual if the block does not change it.
fn file(path: &str, word: &Token, node: &Node, context: &mut Context<'_>) -> LogOutput {
    let mut roll = Some(LogRoll::default());
    FILE.apply(&mut roll, node.children(), context);
    LogOutput::File { path: context.path_of_new_file(path, &word.position), roll }
}

pub(super) fn output(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    let Some(args) = context.count_args(node, node.args(), 1, 2) else { return };
    if args[0].text != "file" {
        context.no_block(node);
    }
    match args {
        [word] if word.text == "stderr" => log.output = LogOutput::Stderr,
        [word] if word.text == "stdout" => log.output = LogOutput::Stdout,
        [word] if word.text == "discard" => log.output = LogOutput::Discard,
        [word, path] if word.text == "file" => {
            if let Some(path) = values::filled(path, "the path of the log file", context) {
                log.output = file(path, word, node, context);
            }
        }
        [word, ..] if OUTPUTS.contains(&word.text.as_str()) => {
            context.usage_error(&word.position, format_args!("`{}` with these arguments is no output", word.text));
        }
        [word, ..] if word.text == "net" => {
            let hint = "write to standard error and let the service manager pass it on";
            context.error_with_hint(&word.position, "igor sends no log over the network", hint);
        }
        [word, ..] => unknown(word, "log output", &OUTPUTS, context),
        [] => {}
    }
}
