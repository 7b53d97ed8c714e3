//! `format` of a `log` block.

use super::super::super::context::Context;
use super::super::super::settings::{LogDuration, LogFormat, LogSettings, LogStyle, LogTime};
use super::super::super::syntax::{Node, Token};
use super::super::super::table::{Directive, Table, Times, unknown};
use super::super::super::values;
use super::filter;

/// The directives of a `format console` or `format json` block.
pub(super) static STYLE: Table<LogStyle> = Table {
    block: "a `format` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "time_format",
            usage: "time_format FORMAT",
            doc: "How access logs in JSON write the time: `unix_seconds_float`, `iso8601`, `rfc3339`, `wall` and so on.",
            times: Times::Once,
            apply: |style, node, context| {
                let known = [
                    ("unix_seconds_float", LogTime::Seconds),
                    ("unix_milli_float", LogTime::Milliseconds),
                    ("unix_nano", LogTime::Nanoseconds),
                    ("iso8601", LogTime::Iso(3)),
                    ("rfc3339", LogTime::Iso(0)),
                    ("rfc3339_nano", LogTime::Iso(9)),
                    ("wall", LogTime::Wall(0)),
                    ("wall_milli", LogTime::Wall(3)),
                    ("wall_nano", LogTime::Wall(9)),
                    ("common_log", LogTime::Common),
                ];
                let time = context.one(node).and_then(|word| values::choice(word, "time format", &known, context));
                style.time = time.unwrap_or_default();
            },
        },
        Directive {
            name: "duration_format",
            usage: "duration_format seconds|ms|nano|string",
            doc: "How access logs in JSON write durations.",
            times: Times::Once,
            apply: |style, node, context| {
                let known = [
                    ("s", LogDuration::Seconds),
                    ("second", LogDuration::Seconds),
                    ("seconds", LogDuration::Seconds),
                    ("ms", LogDuration::Milliseconds),
                    ("milli", LogDuration::Milliseconds),
                    ("millis", LogDuration::Milliseconds),
                    ("ns", LogDuration::Nanoseconds),
                    ("nano", LogDuration::Nanoseconds),
                    ("nanos", LogDuration::Nanoseconds),
                    ("string", LogDuration::Text),
                ];
                let duration =
                    context.one(node).and_then(|word| values::choice(word, "duration format", &known, context));
                style.duration = duration.unwrap_or_default();
            },
        },
        Directive {
            name: "level_format",
            usage: "level_format lower|upper",
            doc: "Whether access logs in JSON write levels in upper case.",
            times: Times::Once,
            apply: |style, node, context| {
                let known = [("lower", false), ("upper", true), ("color", false)];
                let upper = context.one(node).and_then(|word| values::choice(word, "level format", &known, context));
                style.upper_level = upper.unwrap_or_default();
            },
        },
    ],
    ignored: &[
        ("message_key", "the fields have their usual names"),
        ("level_key", "the fields have their usual names"),
        ("time_key", "the fields have their usual names"),
        ("name_key", "the fields have their usual names"),
        ("caller_key", "the fields have their usual names"),
        ("stacktrace_key", "the fields have their usual names"),
        ("line_ending", "a record ends with a line feed"),
        ("time_local", "times are in UTC"),
    ],
    unsupported: &[],
};

const FORMATS: [&str; 4] = ["text", "console", "json", "filter"];

/// `format FORMAT [{ … }]`.
pub(super) fn format(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    match context.count_args(node, node.args(), 1, 1) {
        Some([word]) if word.text == "filter" => filter::filter(log, node, context),
        Some([word]) => named(word, log, node, context),
        _ => {}
    }
}

/// The format `word`, whose block is that of `node`.
pub(super) fn named(word: &Token, log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    log.format = match word.text.as_str() {
        "text" | "console" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return unknown(word, "log format", &FORMATS, context),
    };
    STYLE.apply(&mut log.style, node.children(), context);
}
