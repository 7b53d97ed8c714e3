//! The `encode` directive.

use super::super::context::Context;
use super::super::encode::{Encode, EncodeFormat};
use super::super::matcher::ValuePattern;
use super::super::response_matcher::{FieldCondition, ResponseMatcher, StatusPattern};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times, unknown};
use super::super::values;

/// An `encode` block while it is read.
#[derive(Default)]
pub(super) struct EncodeDraft {
    formats: Vec<EncodeFormat>,
    minimum_length: Option<usize>,
    matcher: Option<ResponseMatcher>,
}

/// The directives of an `encode` block.
pub(super) static ENCODE: Table<EncodeDraft> = Table {
    block: "an `encode` block",
    origin: "Caddy",
    directives: &[
        Directive {
            name: "gzip",
            usage: "gzip [LEVEL]",
            doc: "Offers gzip, at a level from 1 (fast) to 9 (small).",
            times: Times::Once,
            apply: |draft, node, context| {
                let level = context.args(node, 0, 1).and_then(<[Token]>::first);
                let level = level.and_then(|word| values::count(word, 1, 9, context));
                draft.add(level.map_or(EncodeFormat::GZIP, |level| EncodeFormat::Gzip(level as u32)));
            },
        },
        Directive {
            name: "br",
            usage: "br [QUALITY]",
            doc: "Offers brotli, at a quality from 0 (fast) to 11 (small).",
            times: Times::Once,
            apply: |draft, node, context| {
                let quality = context.args(node, 0, 1).and_then(<[Token]>::first);
                let quality = quality.and_then(|word| values::count(word, 0, 11, context));
                draft.add(quality.map_or(EncodeFormat::BROTLI, |quality| EncodeFormat::Brotli(quality as u32)));
            },
        },
        Directive {
            name: "zstd",
            usage: "zstd [LEVEL]",
            doc: "Offers zstd, at `fastest`, `default`, `better`, `best`, or a level from 1 to 19.",
            times: Times::Once,
            apply: |draft, node, context| {
                let level = context.args(node, 0, 1).and_then(<[Token]>::first);
                draft.add(
                    level.and_then(|word| zstd_level(word, context)).map_or(EncodeFormat::ZSTD, EncodeFormat::Zstd),
                );
            },
        },
        Directive {
            name: "minimum_length",
            usage: "minimum_length BYTES",
            doc: "Responses that are known to be shorter are left as they are.",
            times: Times::Once,
            apply: |draft, node, context| {
                draft.minimum_length = context.one(node).and_then(|word| values::size(word, context));
            },
        },
        Directive {
            name: "match",
            usage: "match [status|header …] [{ … }]",
            doc: "The responses that are compressed, by `status STATUS…` and `header [!]FIELD [VALUE]`.",
            times: Times::Many,
            apply: |draft, node, context| {
                let matcher = draft.matcher.get_or_insert_default();
                if let [kind, args @ ..] = node.args() {
                    condition(matcher, kind, args, context);
                }
                for child in node.children() {
                    if let [kind, args @ ..] = child.words.as_slice() {
                        condition(matcher, kind, args, context);
                    }
                }
            },
        },
    ],
    ignored: &[("prefer", "the formats are preferred in the order in which they are named")],
    unsupported: &[],
};

const FORMATS: [(&str, EncodeFormat); 3] =
    [("gzip", EncodeFormat::GZIP), ("br", EncodeFormat::BROTLI), ("zstd", EncodeFormat::ZSTD)];

/// `encode [FORMAT…] [{ … }]`. `args` is what follows the matcher.
pub(super) fn encode(node: &Node, args: &[Token], context: &mut Context<'_>) -> Encode {
    let mut draft = EncodeDraft::default();
    for word in args {
        match FORMATS.iter().find(|(name, _)| *name == word.text) {
            Some((_, format)) => draft.add(*format),
            None => unknown(word, "format of compression", &FORMATS.map(|(name, _)| name), context),
        }
    }
    ENCODE.apply(&mut draft, node.children(), context);
    let default = Encode::default();
    Encode {
        formats: if draft.formats.is_empty() { default.formats } else { draft.formats },
        minimum_length: draft.minimum_length.map_or(default.minimum_length, |length| length as u64),
        matcher: draft.matcher.unwrap_or(default.matcher),
    }
}

impl EncodeDraft {
    /// If a format is named twice, the last level counts.
    fn add(&mut self, format: EncodeFormat) {
        match self.formats.iter_mut().find(|known| known.name() == format.name()) {
            Some(known) => *known = format,
            None => self.formats.push(format),
        }
    }
}

fn zstd_level(word: &Token, context: &mut Context<'_>) -> Option<i32> {
    let named = [("fastest", 1), ("default", 3), ("better", 7), ("best", 11)];
    match named.iter().find(|(name, _)| *name == word.text) {
        Some((_, level)) => Some(*level),
        None => values::count(word, 1, 19, context).map(|level| level as i32),
    }
}

fn status_pattern(word: &Token, context: &mut Context<'_>) -> Option<StatusPattern> {
    let pattern = StatusPattern::parse(&word.text);
    if pattern.is_none() {
        let message = format!("`{}` is no status; write `404` or `4xx`", excerpt(&word.text));
        context.error(&word.position, message);
    }
    pattern
}

/// `status STATUS…` or `header [!]FIELD [VALUE]`.
pub(super) fn condition(matcher: &mut ResponseMatcher, kind: &Token, args: &[Token], context: &mut Context<'_>) {
    match (kind.text.as_str(), args) {
        ("status", [_, ..]) => matcher.statuses.extend(args.iter().filter_map(|word| status_pattern(word, context))),
        ("header", [field]) if field.text.starts_with('!') => {
            matcher.fields.push(FieldCondition::Absent { field: field.text[1..].to_ascii_lowercase() });
        }
        ("header", [field]) => add_field(matcher, &field.text, "*"),
        ("header", [field, value]) => add_field(matcher, &field.text, &value.text),
        _ => context.usage_error(&kind.position, "a response is matched by `status STATUS…` or `header FIELD [VALUE]`"),
    }
}

/// Several values of one field are alternatives.
fn add_field(matcher: &mut ResponseMatcher, name: &str, value: &str) {
    let (name, value) = (name.to_ascii_lowercase(), ValuePattern::new(value));
    for condition in &mut matcher.fields {
        match condition {
            FieldCondition::Has { field, values } if *field == name => return values.push(value),
            _ => {}
        }
    }
    matcher.fields.push(FieldCondition::Has { field: name, values: vec![value] });
}
