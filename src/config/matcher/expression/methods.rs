//! The methods of texts and lists (pure). Texts are counted in characters.

use super::super::super::limits;
use super::{Value, short};

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
}

impl Method {
    /// The method of this name, with the fewest and the most arguments.
    pub(super) fn named(name: &str) -> Option<(Self, usize, usize)> {
        Some(match name {
            "startsWith" => (Self::StartsWith, 1, 1),
            "endsWith" => (Self::EndsWith, 1, 1),
            "contains" => (Self::Contains, 1, 1),
            "size" => (Self::Size, 0, 0),
            "split" => (Self::Split, 1, 1),
            "join" => (Self::Join, 0, 1),
            "lowerAscii" => (Self::LowerAscii, 0, 0),
            "upperAscii" => (Self::UpperAscii, 0, 0),
            "trim" => (Self::Trim, 0, 0),
            "replace" => (Self::Replace, 2, 2),
            "substring" => (Self::Substring, 1, 2),
            "charAt" => (Self::CharAt, 1, 1),
            "indexOf" => (Self::IndexOf, 1, 1),
            "lastIndexOf" => (Self::LastIndexOf, 1, 1),
            _ => return None,
        })
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
                let at = argument(0);
                let parts = text.splitn(limits::EXPRESSION_PARTS_MAX, &at);
                Value::List(parts.map(|part| Value::Text(part.to_owned())).collect())
            }
            Self::Join => match of {
                Value::List(values) => short(values.iter().map(Value::text).collect::<Vec<_>>().join(&argument(0))),
                _ => Value::Error,
            },
            Self::Replace => bounded(&text, &argument(0), &argument(1)),
            Self::Size => number(if let Value::List(values) = &of { values.len() } else { text.chars().count() }),
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
            Self::IndexOf => found(&text, text.find(&argument(0))),
            Self::LastIndexOf => found(&text, text.rfind(&argument(0))),
        }
    }
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
fn bounded(text: &str, from: &str, to: &str) -> Value {
    let growth = text.matches(from).count().saturating_mul(to.len());
    if text.len().saturating_add(growth) > limits::EXPRESSION_TEXT_BYTES_MAX {
        return Value::Error;
    }
    Value::Text(text.replace(from, to))
}
