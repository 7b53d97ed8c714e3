//! Reads and checks values of settings: numbers, durations, sizes, switches, texts, variables.

use std::time::Duration;

use super::context::Context;
use super::diagnostic::Position;
use super::limits;
use super::matcher::Pattern;
use super::placeholder;
use super::syntax::{Node, Token, excerpt};
use super::table::unknown;
use super::text::{Piece, Text, UnknownPlaceholder};

/// A number from `min` to `max`.
pub(crate) fn count(word: &Token, min: usize, max: usize, context: &mut Context<'_>) -> Option<usize> {
    match word.text.parse::<usize>() {
        Ok(number) if (min..=max).contains(&number) => Some(number),
        _ => {
            let message = format!("`{}` is not a number from {min} to {max}", excerpt(&word.text));
            context.usage_error(&word.position, message);
            None
        }
    }
}

/// A duration as Caddy and Go write it: `30s`, `1m30s`, `500ms`, `1d`, `0`.
pub(crate) fn duration(word: &Token, context: &mut Context<'_>) -> Option<Duration> {
    match parse_duration(&word.text) {
        Some(duration) if duration <= limits::DURATION_MAX => Some(duration),
        Some(_) => {
            let days = limits::DURATION_MAX.as_secs() / (24 * 60 * 60);
            context.error(&word.position, format_args!("`{}` is longer than {days} days", excerpt(&word.text)));
            None
        }
        None => {
            let message = format!("`{}` is not a duration", excerpt(&word.text));
            let hint = match word.text.parse::<u32>() {
                Ok(number) => {
                    format!("a unit is missing; write `{number}s` for seconds, or for example `1m30s` or `500ms`")
                }
                Err(_) => "write for example `30s`, `1m30s`, `500ms` or `1d`".to_owned(),
            };
            context.error_with_hint(&word.position, message, hint);
            None
        }
    }
}

/// The nanoseconds of each unit of time. A unit comes before its own prefixes: `ms` before `m`.
const TIME_UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 86_400 * 1_000_000_000),
];

/// Reads a duration of numbers with units. A number may have decimals.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, behind) = decimal(rest)?;
        let (unit, nanoseconds) = TIME_UNITS.iter().find(|(unit, _)| behind.starts_with(unit))?;
        total = total.checked_add(scaled(number, *nanoseconds)?)?;
        rest = &behind[unit.len()..];
    }
    (!text.is_empty()).then(|| Duration::from_nanos(total))
}

/// The decimal number at the start of `text`, and what follows it.
fn decimal(text: &str) -> Option<((&str, &str), &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (whole, fraction) = text[..end].split_once('.').unwrap_or((&text[..end], ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    let is_number = has_digits && !fraction.contains('.');
    is_number.then(|| ((whole, fraction), &text[end..]))
}

/// A decimal number times `scale`, rounded down.
fn scaled((whole, fraction): (&str, &str), scale: u64) -> Option<u64> {
    /// More decimals than this are below the smallest unit of every scale in use.
    const DECIMALS_MAX: usize = 15;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let decimals = &fraction[..fraction.len().min(DECIMALS_MAX)];
    let part: u128 = if decimals.is_empty() { 0 } else { decimals.parse().ok()? };
    let part = part * u128::from(scale) / 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    whole.checked_mul(scale)?.checked_add(u64::try_from(part).ok()?)
}

/// A size in bytes: `65536`, `64KiB`, `10MB`.
pub(crate) fn size(word: &Token, context: &mut Context<'_>) -> Option<usize> {
    let bytes = parse_size(&word.text).filter(|bytes| *bytes <= limits::SIZE_BYTES_MAX);
    let Some(bytes) = bytes.and_then(|bytes| usize::try_from(bytes).ok()) else {
        let message = format!("`{}` is not a size of at most 1TiB", excerpt(&word.text));
        context.error_with_hint(&word.position, message, "write for example `65536`, `64KiB` or `10MB`");
        return None;
    };
    Some(bytes)
}

/// Reads a size: a number, possibly with decimals, and a unit of 1000 (`KB`) or 1024 (`KiB`) in any case.
pub(super) fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = decimal(text)?;
    let unit = unit.trim_start().to_ascii_lowercase();
    let scale = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "ki" | "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mi" | "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gi" | "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "ti" | "tib" => 1 << 40,
        _ => return None,
    };
    scaled(number, scale)
}

/// A switch: alone or with `on`, or with `off`.
pub(crate) fn switch(node: &Node, context: &mut Context<'_>) -> Option<bool> {
    let args = context.args(node, 0, 1)?;
    match args.first() {
        None => Some(true),
        Some(word) => boolean(word, context),
    }
}

/// `on` or `true`, `off` or `false`.
pub(crate) fn boolean(word: &Token, context: &mut Context<'_>) -> Option<bool> {
    choice(word, "switch", &[("on", true), ("off", false), ("true", true), ("false", false)], context)
}

/// One of several words.
pub(crate) fn choice<V: Copy>(word: &Token, what: &str, known: &[(&str, V)], context: &mut Context<'_>) -> Option<V> {
    let lower = word.text.to_ascii_lowercase();
    let found = known.iter().find(|(name, _)| *name == lower).map(|(_, value)| *value);
    if found.is_none() {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        unknown(word, what, &names, context);
    }
    found
}

/// Several texts. `None`: one of them is wrong, and was reported.
pub(crate) fn texts(words: &[Token], context: &mut Context<'_>) -> Option<Vec<Text>> {
    words.iter().map(|word| text(word, context)).collect()
}

/// A text with placeholders.
pub(crate) fn text(word: &Token, context: &mut Context<'_>) -> Option<Text> {
    match Text::parse(&word.text, &context.placeholders) {
        Ok(text) => {
            for piece in text.pieces() {
                if let Piece::Placeholder(placeholder) = piece
                    && let Some((name, reason)) = placeholder.never_filled()
                {
                    context.warning(&word.position, format_args!("`{{{name}}}` is always empty: {reason}"));
                }
            }
            Some(text)
        }
        Err(UnknownPlaceholder(name)) => {
            let message = format!("igor does not know the placeholder `{{{name}}}`");
            let listed = "docs/configuration.md lists the placeholders";
            let advice = placeholder::advice(&name).unwrap_or_else(|| listed.to_owned());
            let join = if advice.ends_with('?') { " " } else { "; " };
            let hint = format!("{advice}{join}write `\\{{{name}\\}}` for the text itself");
            context.error_with_hint(&word.position, message, hint);
            None
        }
    }
}

/// An environment variable: `env NAME VALUE`.
pub(crate) fn variable(node: &Node, context: &mut Context<'_>) -> Option<(String, String)> {
    let [name, value] = context.args(node, 2, 2)? else { return None };
    if name.text.is_empty() || name.text.contains(['=', '\0']) {
        let message = format!("`{}` cannot be the name of an environment variable", excerpt(&name.text));
        context.usage_error(&name.position, message);
        return None;
    }
    plain(value, "the value of an environment variable", context)?;
    Some((name.text.clone(), value.text.clone()))
}

/// The text of a word that ends up in a C string, and so must not hold a NUL byte.
pub(crate) fn plain<'w>(word: &'w Token, what: &str, context: &mut Context<'_>) -> Option<&'w str> {
    if word.text.contains('\0') {
        context.error(&word.position, format_args!("{what} contains a NUL byte"));
        return None;
    }
    Some(&word.text)
}

/// The text of a word that must not be empty.
pub(crate) fn filled<'w>(word: &'w Token, what: &str, context: &mut Context<'_>) -> Option<&'w str> {
    if word.text.is_empty() {
        context.usage_error(&word.position, format_args!("{what} is empty"));
        return None;
    }
    plain(word, what, context)
}

/// The texts of words. None may be empty.
pub(crate) fn filled_all(words: &[Token], what: &str, context: &mut Context<'_>) -> Vec<String> {
    words.iter().filter_map(|word| filled(word, what, context).map(str::to_owned)).collect()
}

/// A regular expression whose groups are stored under `name`.
pub(crate) fn regexp(source: &str, name: &str, position: &Position, context: &mut Context<'_>) -> Option<Pattern> {
    match Pattern::new(name, source) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            let message = format!("`{}` is not a regular expression: {reason}", excerpt(source));
            let hint = "the syntax is that of RE2: no look-around and no back-references";
            context.error_with_hint(position, message, hint);
            None
        }
    }
}
