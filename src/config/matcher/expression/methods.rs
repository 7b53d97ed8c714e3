//! The methods of texts and lists (pure). Texts are counted in characters.

use super::super::super::limits;
use super::value::{Value, short};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    StartsWith,
    EndsWith,
    Contains,
    Size,
    Split,
    Join,
    LowerAscii,
    UpperAscii,
    Trim,
    Replace,
    Substring,
    CharAt,
    IndexOf,
    LastIndexOf,
    Reverse,
}

impl Method {
    /// The names, each with the method and with the fewest and the most arguments.
    const TABLE: [(&str, Self, usize, usize); 15] = [
        ("startsWith", Self::StartsWith, 1, 1),
        ("endsWith", Self::EndsWith, 1, 1),
        ("contains", Self::Contains, 1, 1),
        ("size", Self::Size, 0, 0),
        ("split", Self::Split, 1, 2),
        ("join", Self::Join, 0, 1),
        ("lowerAscii", Self::LowerAscii, 0, 0),
        ("upperAscii", Self::UpperAscii, 0, 0),
        ("trim", Self::Trim, 0, 0),
        ("replace", Self::Replace, 2, 3),
        ("substring", Self::Substring, 1, 2),
        ("charAt", Self::CharAt, 1, 1),
        ("indexOf", Self::IndexOf, 1, 2),
        ("lastIndexOf", Self::LastIndexOf, 1, 2),
        ("reverse", Self::Reverse, 0, 0),
    ];

    /// The method of this name, with the fewest and the most arguments.
    pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
        let found = Self::TABLE.iter().find(|(known, ..)| *known == name);
        found.map(|(_, method, min, max)| (*method, *min, *max))
    }

    /// All names, for messages.
    pub(super) fn names() -> String {
        let names = Self::TABLE.iter().map(|(name, ..)| *name).chain(["matches"]);
        names.collect::<Vec<_>>().join(", ")
    }

    pub(super) fn call(self, of: Value, arguments: &[Value]) -> Value {
        if of == Value::Error || arguments.contains(&Value::Error) {
            return Value::Error;
        }
        let argument = |number: usize| arguments.get(number).map(Value::text).unwrap_or_default();
        let place = |number: usize| arguments.get(number).and_then(Value::number).map(usize::try_from);
        let text = of.text();
        match self {
            Self::StartsWith => Value::Boolean(text.starts_with(&argument(0))),
            Self::EndsWith => Value::Boolean(text.ends_with(&argument(0))),
            Self::Contains => Value::Boolean(text.contains(&argument(0))),
            Self::LowerAscii => Value::Text(text.to_ascii_lowercase()),
            Self::UpperAscii => Value::Text(text.to_ascii_uppercase()),
            Self::Trim => Value::Text(text.trim().to_owned()),
            Self::Split => {
                let limit = count(arguments.get(1)).map(|limit| limit.min(limits::EXPRESSION_PARTS_MAX));
                let Some(limit) = limit else { return Value::Error };
                let at = argument(0);
                let parts = text.splitn(limit, at.as_str()).map(|part| Value::Text(part.to_owned()));
                Value::List(parts.collect())
            }
            Self::Join => match of {
                Value::List(values) => short(values.iter().map(Value::text).collect::<Vec<_>>().join(&argument(0))),
                _ => Value::Error,
            },
            Self::Replace => match count(arguments.get(2)) {
                Some(limit) => bounded(&text, &argument(0), &argument(1), limit),
                None => Value::Error,
            },
            Self::Size => number(match &of {
                Value::List(values) => values.len(),
                Value::Map(entries) => entries.len(),
                _ => text.chars().count(),
            }),
            Self::Reverse => match of {
                Value::List(mut values) => {
                    values.reverse();
                    Value::List(values)
                }
                _ => Value::Text(text.chars().rev().collect()),
            },
            Self::Substring => match (place(0), place(1)) {
                (Some(Ok(from)), None) => part(&text, from, text.chars().count()),
                (Some(Ok(from)), Some(Ok(to))) => part(&text, from, to),
                _ => Value::Error,
            },
            Self::CharAt => match place(0) {
                Some(Ok(at)) if at == text.chars().count() => Value::Text(String::new()),
                Some(Ok(at)) => part(&text, at, at.saturating_add(1)),
                _ => Value::Error,
            },
            Self::IndexOf => match byte_at(&text, arguments.get(1), 0) {
                Some(from) => found(&text, text[from..].find(&argument(0)).map(|at| from + at)),
                None => Value::Error,
            },
            Self::LastIndexOf => match byte_at(&text, arguments.get(1), text.len()) {
                // What begins at the place or before it.
                Some(to) => found(&text, last_from(&text, &argument(0), to)),
                None => Value::Error,
            },
        }
    }
}

/// How many parts or replacements are wanted: without the argument, or with a negative one, any number.
fn count(argument: Option<&Value>) -> Option<usize> {
    let Some(argument) = argument else { return Some(usize::MAX) };
    argument.number().map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// The byte at which the character of this number begins; without a number, `usual`. `None`: there is no such character.
fn byte_at(text: &str, argument: Option<&Value>, usual: usize) -> Option<usize> {
    let Some(argument) = argument else { return Some(usual) };
    let number = usize::try_from(argument.number()?).ok()?;
    text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(number)
}

/// The byte of the last occurrence that begins at `to` or before it.
fn last_from(text: &str, part: &str, to: usize) -> Option<usize> {
    let end = to.saturating_add(part.len()).min(text.len());
    // The bytes of `part` may end inside of a character; then it does not begin at `to`.
    let end = (to..=end).rev().find(|end| text.is_char_boundary(*end))?;
    text[..end].rfind(part)
}

fn number(count: usize) -> Value {
    i64::try_from(count).map_or(Value::Error, Value::Number)
}

/// The characters from one place up to another, which both must exist.
fn part(text: &str, from: usize, to: usize) -> Value {
    if from > to || to > text.chars().count() {
        return Value::Error;
    }
    Value::Text(text.chars().skip(from).take(to - from).collect())
}

/// The place of a character at this byte; -1 without one.
fn found(text: &str, byte: Option<usize>) -> Value {
    byte.map_or(Value::Number(-1), |byte| number(text[..byte].chars().count()))
}

/// A text may grow with each replacement, so there is a bound.
fn bounded(text: &str, from: &str, to: &str, limit: usize) -> Value {
    let growth = text.matches(from).count().min(limit).saturating_mul(to.len());
    if text.len().saturating_add(growth) > limits::EXPRESSION_TEXT_BYTES_MAX {
        return Value::Error;
    }
    Value::Text(text.replacen(from, to, limit))
}
