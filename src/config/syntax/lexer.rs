//! Splits the text of one file into words, grouped by logical line.
//!
//! The rules are Caddy's. `{$NAME:default}` is replaced first, so a variable may hold part of a word or whole blocks.
//! White space separates words. `"…"` and `` `…` `` may hold white space and newlines. Inside double quotes `\"` is a
//! quote, and any other backslash is itself. `#` starts a comment where a word could start. A backslash at the end of a
//! line continues it. `<<MARKER` starts a heredoc.

use std::path::Path;
use std::sync::Arc;

use super::super::diagnostic::{Diagnostic, Position};
use super::super::limits;

/// Returns the value of an environment variable.
pub(crate) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// One word of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// The word without its quotes.
    pub(crate) text: String,
    /// Whether it was quoted: a quoted brace is text.
    pub(crate) quoted: bool,
    /// Whether it starts with the value of an `{env.NAME}`. Such a word is a value, and never a matcher.
    pub(crate) from_env: bool,
    /// Where it starts.
    pub(crate) position: Position,
}

impl Token {
    /// Whether this is the word `text`, not quoted.
    pub(crate) fn is_bare(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }
}

/// A character and its place in the file. All characters of a variable's value have the place of the variable.
#[derive(Clone, Copy)]
struct Glyph {
    character: char,
    line: usize,
    column: usize,
}

/// Splits `text` into logical lines of words. Empty lines are left out.
///
/// # Errors
/// A quote or heredoc that does not end, a heredoc with a bad marker or indentation, a text that grows beyond its
/// bound. The text after it cannot be interpreted, so there is only one error.
pub(crate) fn tokenize(text: &str, file: &Arc<Path>, env: &Environment<'_>) -> Result<Words, Diagnostic> {
    let mut empty = Vec::new();
    let glyphs = expand(text, file, env, &mut empty)?;
    let mut lexer = Lexer { glyphs, at: 0, file, lines: Vec::new(), line: Vec::new() };
    lexer.run()?;
    Ok(Words { lines: lexer.lines, empty })
}

/// The words of a text.
#[derive(Debug)]
pub(crate) struct Words {
    /// The logical lines.
    pub(crate) lines: Vec<Vec<Token>>,
    /// The empty variables, each with its line, so that an error about a missing word can name them. Beyond a bound
    /// they are left out.
    pub(crate) empty: Vec<(usize, String)>,
}

/// Records the place of each character, and inserts the values of `{$NAME}` and `{$NAME:default}`. `empty` receives the
/// names without a value.
fn expand(
    text: &str,
    file: &Arc<Path>,
    env: &Environment<'_>,
    empty: &mut Vec<(usize, String)>,
) -> Result<Vec<Glyph>, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut glyphs = Vec::with_capacity(text.len());
    let (mut line, mut column) = (1, 1);
    let mut ends = Ends { text, next: 0 };
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some((name, default, length)) = variable(rest, &mut ends) {
            let value = env(name).or_else(|| default.map(str::to_owned)).unwrap_or_default();
            if value.is_empty() && empty.len() < limits::EMPTY_VARIABLES_MAX {
                empty.push((line, name.to_owned()));
            }
            glyphs.extend(value.chars().map(|character| Glyph { character, line, column }));
            column += rest[..length].chars().count();
            rest = &rest[length..];
        } else {
            rest = &rest[character.len_utf8()..];
            if !(character == '\r' && rest.starts_with('\n')) {
                glyphs.push(Glyph { character, line, column });
            }
            column += 1;
            if character == '\n' {
                (line, column) = (line + 1, 1);
            }
        }
        if glyphs.len() > limits::EXPANDED_CHARS_MAX {
            let position = Position { file: Arc::clone(file), line, column: 1 };
            let message = format!(
                "the file has more than {} characters once its environment variables are put in",
                limits::EXPANDED_CHARS_MAX
            );
            return Err(Diagnostic::error(&position, message));
        }
    }
    Ok(glyphs)
}

/// The place of the next `}` or line break in a text. Each part of the text is searched only once, because a line may
/// have any number of unclosed `{$`.
struct Ends<'t> {
    text: &'t str,
    /// The last result.
    next: usize,
}

impl Ends<'_> {
    /// The place of the first one in `rest`, a suffix of the text that never grows from call to call.
    fn find(&mut self, rest: &str) -> Option<usize> {
        let from = self.text.len() - rest.len();
        if self.next < from {
            self.next = rest.find(['}', '\n']).map_or(self.text.len(), |at| from + at);
        }
        (self.next < self.text.len()).then(|| self.next - from)
    }
}

/// The name, the default and the length in bytes of a `{$NAME:default}` at the start of `text`. It ends on its line.
fn variable<'t>(text: &'t str, ends: &mut Ends<'_>) -> Option<(&'t str, Option<&'t str>, usize)> {
    let inner = text.strip_prefix("{$")?;
    let end = ends.find(inner)?;
    if !inner[end..].starts_with('}') {
        return None;
    }
    let (name, default) = match inner[..end].split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (&inner[..end], None),
    };
    (!name.is_empty()).then_some((name, default, end + 3))
}

struct Lexer<'a> {
    glyphs: Vec<Glyph>,
    at: usize,
    file: &'a Arc<Path>,
    lines: Vec<Vec<Token>>,
    line: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), Diagnostic> {
        while let Some(character) = self.peek(0) {
            match character {
                '\n' => {
                    self.at += 1;
                    self.end_line();
                }
                '\\' if self.peek(1) == Some('\n') => self.at += 2,
                _ if character.is_whitespace() => self.at += 1,
                '#' => self.skip_comment(),
                '"' | '`' => self.quoted(character)?,
                '<' if self.peek(1) == Some('<') => match self.heredoc_marker()? {
                    Some(marker) => self.heredoc(&marker)?,
                    None => self.word(),
                },
                _ => self.word(),
            }
        }
        self.end_line();
        Ok(())
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.glyphs.get(self.at + ahead).map(|glyph| glyph.character)
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.lines.push(std::mem::take(&mut self.line));
        }
    }

    fn position(&self, at: usize) -> Position {
        let (line, column) = self.glyphs.get(at).map_or((1, 1), |glyph| (glyph.line, glyph.column));
        Position { file: Arc::clone(self.file), line, column }
    }

    fn push(&mut self, text: String, quoted: bool, start: usize) {
        let position = self.position(start);
        self.line.push(Token { text, quoted, from_env: false, position });
    }

    fn skip_comment(&mut self) {
        while self.peek(0).is_some_and(|character| character != '\n') {
            self.at += 1;
        }
    }

    /// A word without quotes. A backslash before a leading quote or `<<` makes it a literal character.
    fn word(&mut self) {
        let start = self.at;
        let mut text = String::new();
        if self.peek(0) == Some('\\')
            && matches!((self.peek(1), self.peek(2)), (Some('"' | '`'), _) | (Some('<'), Some('<')))
        {
            text.extend(self.peek(1));
            self.at += 2;
        }
        while let Some(character) = self.peek(0) {
            let continues = character == '\\' && self.peek(1) == Some('\n');
            if character.is_whitespace() || continues {
                break;
            }
            text.push(character);
            self.at += 1;
        }
        self.push(text, false, start);
    }

    fn quoted(&mut self, quote: char) -> Result<(), Diagnostic> {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.peek(0) {
                None => {
                    let message = format!("the quoted text that starts here has no closing {quote}");
                    return Err(Diagnostic::error(&self.position(start), message));
                }
                Some(character) if character == quote => break,
                Some('\\') if quote == '"' => match self.peek(1) {
                    Some('"') => {
                        text.push('"');
                        self.at += 2;
                    }
                    next => {
                        text.push('\\');
                        text.extend(next);
                        self.at += 2;
                    }
                },
                Some(character) => {
                    text.push(character);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        self.push(text, true, start);
        Ok(())
    }

    /// The marker of a heredoc that starts here; `None` if more follows on the line: then this is a plain word.
    fn heredoc_marker(&self) -> Result<Option<String>, Diagnostic> {
        let mut rest = self.glyphs[self.at + 2..].iter().map(|glyph| glyph.character).peekable();
        let marker: String = std::iter::from_fn(|| rest.next_if(|character| !character.is_whitespace())).collect();
        // It reads no further than the next word, because a line may have any number of words that start with `<<`.
        if rest.take_while(|character| *character != '\n').any(|character| !character.is_whitespace()) {
            return Ok(None);
        }
        if marker.is_empty() || !marker.chars().all(is_marker) {
            let message = "a heredoc needs a marker of letters, digits, `_` and `-` behind `<<`";
            return Err(Diagnostic::error(&self.position(self.at), message)
                .with_hint("write `<<HTML`, or `\\<<` for a word that starts with `<<`"));
        }
        Ok(Some(marker))
    }

    fn heredoc(&mut self, marker: &str) -> Result<(), Diagnostic> {
        let start = self.at;
        self.skip_comment();
        let mut rows: Vec<(usize, String)> = Vec::new();
        while self.peek(0) == Some('\n') {
            self.at += 1;
            let row_start = self.at;
            let row: String =
                self.glyphs[row_start..].iter().map(|glyph| glyph.character).take_while(|c| *c != '\n').collect();
            let indent: String = row.chars().take_while(|character| character.is_whitespace()).collect();
            let closes = row[indent.len()..]
                .strip_prefix(marker)
                .is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace));
            if closes {
                self.at = row_start + indent.chars().count() + marker.chars().count();
                let text = self.dedent(&rows, &indent, marker)?;
                self.push(text, true, start);
                return Ok(());
            }
            self.at += row.chars().count();
            rows.push((row_start, row));
        }
        let message = format!("the heredoc that starts here has no closing line `{marker}`");
        Err(Diagnostic::error(&self.position(start), message))
    }

    /// Removes the closing marker's indentation from every line of a heredoc.
    fn dedent(&self, rows: &[(usize, String)], indent: &str, marker: &str) -> Result<String, Diagnostic> {
        let mut lines = Vec::with_capacity(rows.len());
        for (start, row) in rows {
            match row.strip_prefix(indent) {
                Some(line) => lines.push(line),
                None if row.trim().is_empty() => lines.push(""),
                None => {
                    let message = format!("this line of the heredoc is indented less than its closing `{marker}`");
                    return Err(Diagnostic::error(&self.position(*start), message)
                        .with_hint("indent every line like the closing marker, with the same tabs and spaces"));
                }
            }
        }
        Ok(lines.join("\n"))
    }
}
/// The characters of a heredoc's marker.
fn is_marker(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-".contains(character)
}
