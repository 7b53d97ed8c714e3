//! `format` of a `log` block.

use super::super::super::context::Context;
use super::super::super::limits;
use super::super::super::settings::{
    LogDuration, LogFilter, LogFilterOp, LogFormat, LogSettings, LogStyle, LogTime, LogValueOp,
};
use super::super::super::syntax::{Node, Token, excerpt};
use super::super::super::table::{Directive, Table, Times, unknown};
use super::super::super::values;
use super::php_fpm;

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

const FORMATS: [&str; 6] = ["text", "console", "json", "filter", "append", "php_fpm"];

/// `format FORMAT [{ … }]`.
pub(super) fn format(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    if node.args().first().is_some_and(|word| word.text == "php_fpm") {
        php_fpm::format(log, node, context);
    } else if let Some([word]) = context.count_args(node, node.args(), 1, 1) {
        any(word, log, node, context);
    }
}

/// The format `word`, whose block is that of `node`.
fn any(word: &Token, log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    match word.text.as_str() {
        "filter" => with_fields(&FILTER, add, log, node, context),
        "append" => with_fields(&APPEND, append, log, node, context),
        _ => named(word, log, node, context),
    }
}

/// A format that wraps no other one.
fn named(word: &Token, log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    log.format = match word.text.as_str() {
        "text" | "console" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return unknown(word, "log format", &FORMATS, context),
    };
    STYLE.apply(&mut log.style, node.children(), context);
}

// --- `format filter` and `format append`: wrap another format ---------------------------------------------------------------------------

/// The directives of both blocks; `fields` reads each field by this function.
macro_rules! wrapping {
    ($block:literal, $field:ident) => {
        Table {
            block: $block,
            origin: "Caddy",
            directives: &[
                Directive {
                    name: "wrap",
                    usage: "wrap text|console|json|filter|append [{ … }]",
                    doc: "The format of the changed record.",
                    times: Times::Once,
                    apply: wrap,
                },
                Directive {
                    name: "fields",
                    usage: "fields { … }",
                    doc: "The fields, each with its filter or its value.",
                    times: Times::Many,
                    apply: |log, node, context| {
                        context.count_args(node, node.args(), 0, 0);
                        node.children().iter().for_each(|field| $field(log, field, context));
                    },
                },
            ],
            ignored: &[],
            unsupported: &[],
        }
    };
}

/// The directives of a `format filter` block.
pub(super) static FILTER: Table<LogSettings> = wrapping!("a `format filter` block", add);

/// The directives of a `format append` block.
pub(super) static APPEND: Table<LogSettings> = wrapping!("a `format append` block", append);

fn wrap(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    // No argument: an empty variable of the environment, which means the default.
    if let Some([word]) = context.count_args(node, node.args(), 0, 1) {
        any(word, log, node, context);
    }
}

/// `format filter|append { … }`. A field may be in the block itself, or in `fields`.
fn with_fields(
    table: &Table<LogSettings>,
    field: fn(&mut LogSettings, &Node, &mut Context<'_>),
    log: &mut LogSettings,
    node: &Node,
    context: &mut Context<'_>,
) {
    let (own, fields): (Vec<Node>, Vec<Node>) =
        node.children().iter().cloned().partition(|child| table.knows(child.name()));
    table.apply(log, &own, context);
    fields.iter().for_each(|node| field(log, node, context));
}

/// `NAME VALUE` of `format append`. As in Caddy, the value is fixed when the configuration is read.
fn append(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    let outer = std::mem::replace(&mut context.usage, "NAME VALUE");
    let value = context.one(node).and_then(|word| Some((word, values::text(word, context)?)));
    if let Some((word, value)) = value {
        match value.of_process() {
            Some(value) => {
                log.filters.push(LogFilter { path: vec![node.name().to_owned()], op: LogFilterOp::Append(value) });
            }
            None => context.error_with_hint(
                &word.position,
                format_args!("`{}` is not the same for all records, as a value of `append` is", excerpt(&word.text)),
                "add it with the directive `log_append` of the site",
            ),
        }
    }
    context.usage = outer;
}

const FILTERS: [&str; 9] =
    ["delete", "rename", "replace", "hash", "ip_mask", "query", "cookie", "regexp", "multi_regexp"];

/// The syntax of a filter, for messages.
const USAGE: &str = "request>uri query { replace token REDACTED }";

/// `PATH FILTER [ARGUMENTS] [{ … }]`.
fn add(log: &mut LogSettings, node: &Node, context: &mut Context<'_>) {
    let outer = std::mem::replace(&mut context.usage, USAGE);
    match node.args() {
        [kind, args @ ..] => {
            if let Some(op) = op(kind, args, node, context) {
                let path = path(node.name());
                log.filters.extend(op.into_iter().map(|op| LogFilter { path: path.clone(), op }));
            }
        }
        [] => {
            context.usage_error(&node.position, format_args!("the field `{}` has no filter", excerpt(node.name())));
        }
    }
    context.usage = outer;
}

/// The names on the path to a field. Fields of the request may omit the prefix `request`, as some configurations do.
fn path(text: &str) -> Vec<String> {
    let mut path: Vec<String> = text.split('>').map(str::to_owned).collect();
    if ["uri", "headers", "remote_ip", "client_ip"].contains(&path[0].as_str()) {
        path.insert(0, "request".to_owned());
    }
    path
}

/// The changes that a filter makes, one after the other.
fn op(kind: &Token, args: &[Token], node: &Node, context: &mut Context<'_>) -> Option<Vec<LogFilterOp>> {
    Some(vec![match kind.text.as_str() {
        "multi_regexp" => {
            context.count_args(node, args, 0, 0);
            return Some(regexps(node, context));
        }
        "delete" => LogFilterOp::Delete,
        "hash" => LogFilterOp::Hash,
        "rename" => LogFilterOp::Rename(context.count_args(node, args, 1, 1)?[0].text.clone()),
        "replace" => {
            let with = context.count_args(node, args, 0, 1)?.first();
            LogFilterOp::Replace(with.map(|word| word.text.clone()).unwrap_or_default())
        }
        "ip_mask" => ip_mask(args, node, context)?,
        "query" => LogFilterOp::Query(value_ops(node, context)),
        "cookie" => LogFilterOp::Cookie(value_ops(node, context)),
        "regexp" => {
            let args = context.count_args(node, args, 2, 2)?;
            regexp(&args[0], context)?;
            LogFilterOp::Regexp { pattern: args[0].text.clone(), with: args[1].text.clone() }
        }
        _ => {
            unknown(kind, "log filter", &FILTERS, context);
            return None;
        }
    }])
}

/// `{ regexp PATTERN TEXT }` of `multi_regexp`, once for each line.
fn regexps(node: &Node, context: &mut Context<'_>) -> Vec<LogFilterOp> {
    let mut ops = Vec::new();
    for child in node.children() {
        match (child.name(), child.args()) {
            ("regexp", [pattern, with]) => {
                if regexp(pattern, context).is_some() {
                    ops.push(LogFilterOp::Regexp { pattern: pattern.text.clone(), with: with.text.clone() });
                }
            }
            _ => context.error_with_hint(
                &child.position,
                "only `regexp PATTERN TEXT` can be in a `multi_regexp` block",
                "write a line for each pattern",
            ),
        }
    }
    ops
}

fn regexp(word: &Token, context: &mut Context<'_>) -> Option<()> {
    match regex::RegexBuilder::new(&word.text).size_limit(limits::REGEXP_BYTES_MAX).build() {
        Ok(_) => Some(()),
        Err(error) => {
            context.error(&word.position, format_args!("`{}` is no regular expression: {error}", excerpt(&word.text)));
            None
        }
    }
}

/// The bits of an address.
const IPV4_BITS: u8 = 32;

/// The bits of an address.
const IPV6_BITS: u8 = 128;

/// How many bits of an address stay. A wrong number is reported, and leaves the whole address.
fn bits(word: &Token, max: u8, context: &mut Context<'_>) -> u8 {
    values::count(word, 0, usize::from(max), context).map_or(max, |bits| bits as u8)
}

/// `ip_mask [IPV4 [IPV6]]`, or with a block that names the two.
fn ip_mask(args: &[Token], node: &Node, context: &mut Context<'_>) -> Option<LogFilterOp> {
    let (mut ipv4, mut ipv6) = (IPV4_BITS, IPV6_BITS);
    match context.count_args(node, args, 0, 2)? {
        [] => {}
        [first, others @ ..] => {
            ipv4 = bits(first, IPV4_BITS, context);
            ipv6 = others.first().map_or(ipv6, |word| bits(word, IPV6_BITS, context));
        }
    }
    for child in node.children() {
        match (child.name(), child.args()) {
            ("ipv4", [word]) => ipv4 = bits(word, IPV4_BITS, context),
            ("ipv6", [word]) => ipv6 = bits(word, IPV6_BITS, context),
            _ => context.error_with_hint(
                &child.position,
                "only `ipv4 BITS` and `ipv6 BITS` can be in an `ip_mask` block",
                "write `ip_mask 16 32`",
            ),
        }
    }
    Some(LogFilterOp::IpMask { ipv4, ipv6 })
}

/// `{ delete NAME` … `replace NAME VALUE` … `hash NAME }`.
fn value_ops(node: &Node, context: &mut Context<'_>) -> Vec<(String, LogValueOp)> {
    let mut ops = Vec::new();
    for child in node.children() {
        match (child.name(), child.args()) {
            ("delete", [name]) => ops.push((name.text.clone(), LogValueOp::Delete)),
            ("hash", [name]) => ops.push((name.text.clone(), LogValueOp::Hash)),
            ("replace", [name, with]) => ops.push((name.text.clone(), LogValueOp::Replace(with.text.clone()))),
            _ => context.error_with_hint(
                &child.position,
                "only `delete NAME`, `replace NAME VALUE` and `hash NAME` can be here",
                "write for example `replace token REDACTED`",
            ),
        }
    }
    ops
}
