//! Text with placeholders that are replaced for each request (`https://{host}{uri}`).

use std::borrow::Cow;

use super::placeholder::{Fact, Placeholder};
use super::request::RequestView;

/// A value of a directive, split into literal text and placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    pieces: Vec<Piece>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The same for every request.
    Literal(String),
    /// A fact of the request.
    Placeholder(Placeholder),
}

/// A word in braces that is not a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnknownPlaceholder(pub(super) String);

impl Text {
    /// Text without placeholders.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        let mut made = Self::default();
        made.push_literal(text);
        made
    }

    /// Cuts `source` at its placeholders. A brace that does not enclose a word is text, as in JSON; `\{` and
    /// `\}` are braces. `own` are the placeholders that the configuration itself defines.
    pub(super) fn parse(source: &str, own: &[String]) -> Result<Self, UnknownPlaceholder> {
        let mut text = Self::default();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '\\']) {
            text.push_literal(&rest[..at]);
            rest = &rest[at..];
            if let Some(brace) = ["\\{", "\\}"].into_iter().find(|escape| rest.starts_with(escape)) {
                text.push_literal(&brace[1..]);
                rest = &rest[2..];
            } else if let Some(word) = word_in_braces(rest) {
                text.pieces.push(Piece::Placeholder(placeholder(word, own)?));
                rest = &rest[word.len() + 2..];
            } else {
                text.push_literal(&rest[..1]);
                rest = &rest[1..];
            }
        }
        text.push_literal(rest);
        Ok(text)
    }

    /// The text for this request.
    #[must_use]
    pub fn render(&self, request: &dyn RequestView) -> String {
        let mut made = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => made.push_str(text),
                Piece::Placeholder(placeholder) => placeholder.write(request, &mut made),
            }
        }
        made
    }

    /// The text with the facts of this request as they are now; what handlers store, and how long the request takes, stays
    /// open.
    #[must_use]
    pub fn with_facts(&self, request: &dyn RequestView) -> Self {
        let mut made = Self::default();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => made.push_literal(text),
                Piece::Placeholder(placeholder) if placeholder.is_late() => made.pieces.push(piece.clone()),
                Piece::Placeholder(placeholder) => {
                    let mut value = String::new();
                    placeholder.write(request, &mut value);
                    made.push_literal(&value);
                }
            }
        }
        made
    }

    /// Whether it has fields of the response.
    #[must_use]
    pub fn has_response_fields(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Placeholder(Placeholder::ResponseHeader(_))))
    }

    /// The text with everything of this request; what is of the response stays open.
    #[must_use]
    pub fn until_response(&self, request: &dyn RequestView) -> Self {
        let mut made = Self::default();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => made.push_literal(text),
                Piece::Placeholder(Placeholder::ResponseHeader(_)) => made.pieces.push(piece.clone()),
                Piece::Placeholder(placeholder) => {
                    let mut value = String::new();
                    placeholder.write(request, &mut value);
                    made.push_literal(&value);
                }
            }
        }
        made
    }

    /// The text with the fields of the response that `value_of` knows by their names in lower case.
    #[must_use]
    pub fn with_response(&self, value_of: &dyn Fn(&str) -> String) -> String {
        let mut made = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => made.push_str(text),
                Piece::Placeholder(Placeholder::ResponseHeader(name)) => made.push_str(&value_of(name)),
                Piece::Placeholder(_) => {}
            }
        }
        made
    }

    /// The text for this request, without an allocation if it is the same for every request.
    #[must_use]
    pub fn rendered<'t>(&'t self, request: &dyn RequestView) -> Cow<'t, str> {
        match self.as_literal() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.render(request)),
        }
    }

    /// The text, if it is the same for every request.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The text, if only the machine and the program decide it.
    pub(super) fn of_process(&self) -> Option<String> {
        let mut made = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => made.push_str(text),
                Piece::Placeholder(Placeholder::Fact(fact)) if fact.is_of_process() => fact.write_of_process(&mut made),
                Piece::Placeholder(_) => return None,
            }
        }
        Some(made)
    }

    /// Whether it is one placeholder, and this request has no value for it.
    pub(super) fn has_no_value(&self, request: &dyn RequestView) -> bool {
        matches!(self.pieces.as_slice(), [Piece::Placeholder(placeholder)] if placeholder.is_unset(request))
    }

    /// The parts, in their order. No two literal ones follow each other.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The path of the request.
    pub(super) fn path() -> Self {
        Self { pieces: vec![Piece::Placeholder(Placeholder::Fact(Fact::Path))] }
    }

    /// The target of a rewrite: the file that the matcher found, and an optional query.
    pub(super) fn found_file(query: Option<&Self>) -> Self {
        let file = Piece::Placeholder(Placeholder::Stored("http.matchers.file.relative".to_owned()));
        let query = query.map(|query| query.pieces.clone()).unwrap_or_default();
        Self { pieces: std::iter::once(file).chain(query).collect() }
    }

    fn push_literal(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Piece::Literal(last)) = self.pieces.last_mut() {
            last.push_str(text);
        } else {
            self.pieces.push(Piece::Literal(text.to_owned()));
        }
    }
}

/// The word of `{word}` at the start of `text`: letters, digits, `_`, `-` and `.`, and the marks of `{%uri}` and
/// `{?query}`.
pub(super) fn word_in_braces(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    // Two kinds of names have more: the bits of a network, and the path of a file, which igor refuses with a message.
    let more =
        if ["http.request.remote.host/", "file."].iter().any(|kind| inner.starts_with(kind)) { "/," } else { "" };
    // It stops at the end of the word; otherwise a text with many braces would be searched to its end for each of them.
    let end = inner.find(|character: char| {
        !(character.is_ascii_alphanumeric() || "_-.%?".contains(character) || more.contains(character))
    })?;
    (end > 0 && inner[end..].starts_with('}')).then(|| &inner[..end])
}

fn placeholder(word: &str, own: &[String]) -> Result<Placeholder, UnknownPlaceholder> {
    if own.iter().any(|name| name == word) {
        return Ok(Placeholder::Stored(word.to_owned()));
    }
    Placeholder::parse(word).ok_or_else(|| UnknownPlaceholder(word.to_owned()))
}
