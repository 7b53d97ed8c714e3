//! Text with placeholders that are filled in for each request (`https://{host}{uri}`).

use super::request::RequestView;

/// A value of `respond`, `redir` or `header`, cut into literal text and placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Fact(Fact),
    Header(String),
}

/// A placeholder without a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Host,
    HostPort,
    Method,
    Path,
    Port,
    Query,
    RemoteHost,
    Scheme,
    Uri,
}

/// The placeholders as they are written, in the order in which messages list them.
const FACTS: [(&str, Fact); 9] = [
    ("host", Fact::Host),
    ("hostport", Fact::HostPort),
    ("method", Fact::Method),
    ("path", Fact::Path),
    ("port", Fact::Port),
    ("query", Fact::Query),
    ("remote_host", Fact::RemoteHost),
    ("scheme", Fact::Scheme),
    ("uri", Fact::Uri),
];

/// A word in braces that is no placeholder.
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

    /// Cuts `source` at its placeholders. A brace that does not start a word in braces is text, as in JSON; `\{` and
    /// `\}` are braces.
    pub(super) fn parse(source: &str) -> Result<Self, UnknownPlaceholder> {
        let mut text = Self::default();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '\\']) {
            text.push_literal(&rest[..at]);
            rest = &rest[at..];
            if let Some(brace) = ["\\{", "\\}"].into_iter().find(|escape| rest.starts_with(escape)) {
                text.push_literal(&brace[1..]);
                rest = &rest[2..];
            } else if let Some(word) = word_in_braces(rest) {
                text.pieces.push(placeholder(word)?);
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
                Piece::Header(name) => made.push_str(&request.header(name).join(", ")),
                Piece::Fact(fact) => fact.write(request, &mut made),
            }
        }
        made
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

    /// How the placeholders are written, for messages.
    pub(super) fn known_placeholders() -> String {
        let mut known: Vec<String> = FACTS.iter().map(|(name, _)| format!("`{{{name}}}`")).collect();
        known.push("`{header.NAME}`".to_owned());
        known.push("`{env.NAME}`".to_owned());
        known.join(", ")
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

impl Fact {
    fn write(self, request: &dyn RequestView, out: &mut String) {
        match self {
            Self::Host => out.push_str(request.host()),
            Self::HostPort => {
                out.push_str(request.host());
                out.push(':');
                out.push_str(&request.port().to_string());
            }
            Self::Method => out.push_str(request.method()),
            Self::Path => out.push_str(request.path()),
            Self::Port => out.push_str(&request.port().to_string()),
            Self::Query => out.push_str(request.query()),
            Self::RemoteHost => out.push_str(&request.remote_host()),
            Self::Scheme => out.push_str(request.scheme()),
            Self::Uri => out.push_str(request.uri()),
        }
    }
}

/// The word of `{word}` at the start of `text`: letters, digits, `_`, `-` and `.`.
pub(super) fn word_in_braces(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    // Not beyond the word: a text of many braces would be searched to its end for each of them.
    let end = inner.find(|character: char| !(character.is_ascii_alphanumeric() || "_-.".contains(character)))?;
    (end > 0 && inner[end..].starts_with('}')).then(|| &inner[..end])
}

fn placeholder(word: &str) -> Result<Piece, UnknownPlaceholder> {
    if let Some(name) = word.strip_prefix("header.").filter(|name| !name.is_empty()) {
        return Ok(Piece::Header(name.to_ascii_lowercase()));
    }
    FACTS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, fact)| Piece::Fact(*fact))
        .ok_or_else(|| UnknownPlaceholder(word.to_owned()))
}
