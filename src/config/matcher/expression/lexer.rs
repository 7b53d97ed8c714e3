//! Cuts the text of an expression into words (pure).

use super::super::super::limits;
use super::super::super::text::word_in_braces;

/// A word of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Lexeme {
    Name(String),
    Text(String),
    Number(i64),
    Fraction(f64),
    /// A placeholder with its braces.
    Placeholder(String),
    Sign(&'static str),
}

/// Operators, longer ones before their prefixes.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "+", "-", "*",
    "/", "%",
];

pub(super) fn shown(lexeme: &Lexeme) -> String {
    match lexeme {
        Lexeme::Name(name) => format!("`{name}`"),
        Lexeme::Text(text) => format!("the text `{text}`"),
        Lexeme::Number(number) => format!("`{number}`"),
        Lexeme::Fraction(number) => format!("`{number}`"),
        Lexeme::Placeholder(word) => format!("`{word}`"),
        Lexeme::Sign(sign) => format!("`{sign}`"),
    }
}

/// The words, each with its first byte in the text.
pub(super) fn lexemes(source: &str) -> Result<Vec<(Lexeme, usize)>, String> {
    let mut found = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let (lexeme, length) = if matches!(first, '"' | '\'' | '`') {
            quoted(rest, first, first == '`')?
        } else if let Some(raw) = rest.strip_prefix(['r', 'R']).filter(|raw| raw.starts_with(['"', '\''])) {
            let (lexeme, length) = quoted(raw, raw.chars().next().unwrap_or('"'), true)?;
            (lexeme, length + 1)
        } else if let Some(word) = word_in_braces(rest) {
            (Lexeme::Placeholder(format!("{{{word}}}")), word.len() + 2)
        } else if first.is_ascii_digit() {
            number(rest)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
            (Lexeme::Name(rest[..end].to_owned()), end)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Lexeme::Sign(sign), sign.len())
        } else {
            let hint = if first == '=' { "; write `==` to compare" } else { "" };
            return Err(format!("`{first}` is no sign of an expression{hint}"));
        };
        if found.len() == limits::EXPRESSION_WORDS_MAX {
            return Err(format!("it has more than {} words", limits::EXPRESSION_WORDS_MAX));
        }
        found.push((lexeme, source.len() - rest.len()));
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// A number, perhaps with a fraction or an exponent. CEL's `u` behind a number without a sign has no meaning of its own.
fn number(text: &str) -> Result<(Lexeme, usize), String> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len())
    };
    let whole = digits(0);
    let mut end = whole;
    if text[end..].starts_with('.') && digits(end + 1) > end + 1 {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let behind = digits(end + 1 + sign);
        if behind > end + 1 + sign {
            end = behind;
        }
    }
    let large = |_| format!("`{}` is too large a number", &text[..end]);
    if end == whole {
        let suffix = usize::from(text[end..].starts_with(['u', 'U']));
        return text[..end].parse().map(|number| (Lexeme::Number(number), end + suffix)).map_err(large);
    }
    // Digits with a point or an exponent are always a fraction, at worst an infinite one.
    Ok((Lexeme::Fraction(text[..end].parse().unwrap_or(f64::INFINITY)), end))
}

/// A text in quotes. Unless it is raw, a backslash makes the next character literal, or a line break or tab.
fn quoted(text: &str, quote: char, is_raw: bool) -> Result<(Lexeme, usize), String> {
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Ok((Lexeme::Text(value), at + quote.len_utf8())),
            '\\' if !is_raw => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, escaped @ ('\\' | '"' | '\''))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => break,
            },
            _ => value.push(letter),
        }
    }
    Err(format!("a text has no closing {quote}"))
}
