//! `igor fmt`: formats the text of a Caddyfile. Words and comments stay as written; only the white space between them
//! changes.

use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{Diagnostic, Position};
use super::syntax::tokenize;

/// The text with one tab for each block, one blank between words and at most one empty line.
///
/// # Errors A quote or heredoc does not end: the words after it are unknown.
pub fn format(text: &str) -> Result<String, Diagnostic> {
    let file: Arc<Path> = Arc::from(Path::new("Caddyfile"));
    let words = |text: &str| {
        // A value of one word, with any name.
        let value = |name: &str| Some(name.bytes().map(|byte| format!("{byte:02x}")).collect());
        let lines = tokenize(text, &file, &value)?.lines;
        let plain = |line: Vec<super::syntax::Token>| line.into_iter().map(|word| (word.text, word.quoted)).collect();
        Ok(lines.into_iter().map(plain).collect::<Vec<Vec<_>>>())
    };
    let before = words(text)?;
    let formatted = Formatter::new(text).run();
    // In a value of a variable, a quote can begin that this formatter does not see: each run would add a line.
    if words(&formatted)? == before && Formatter::new(&formatted).run() == formatted {
        return Ok(formatted);
    }
    let start = Position::start_of(file);
    Err(Diagnostic::error(&start, "this file cannot be formatted without a change of its words"))
}

struct Formatter {
    text: Vec<char>,
    at: usize,
    out: String,
    /// How many blocks are open.
    depth: usize,
    /// Whether empty lines were seen since the last written line.
    gap: bool,
    /// Whether the last written line has opened a block, or nothing was written yet.
    opened: bool,
}

/// One line of the output: the words as they were, and the separators.
#[derive(Default)]
struct Line {
    /// Its words with one space between them.
    text: String,
    /// Its first word: a `}` there closes a block.
    first: String,
    /// Its last word that is no comment: a `{` there opens a block.
    last: String,
    /// Whether it ends with a backslash, so that the next line belongs to it.
    continues: bool,
}

impl Line {
    /// Adds a word or a comment. `is_apart`: there was a space in front of it.
    fn push(&mut self, word: String, is_comment: bool, is_apart: bool) {
        if is_apart && !self.text.is_empty() {
            self.text.push(' ');
        }
        if is_comment {
            self.text.push_str(word.trim_end());
            return;
        }
        self.text.push_str(&word);
        if self.first.is_empty() {
            self.first.clone_from(&word);
        }
        self.last = word;
    }
}

impl Formatter {
    fn new(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
        Self { text: text.chars().collect(), at: 0, out: String::new(), depth: 0, gap: false, opened: true }
    }

    fn run(mut self) -> String {
        let mut continued = false;
        while self.at < self.text.len() {
            let line = self.line();
            if line.text.is_empty() {
                self.gap = true;
                continue;
            }
            let closes = line.first == "}";
            if closes {
                self.depth = self.depth.saturating_sub(1);
            }
            if self.gap && !closes && !self.opened {
                self.out.push('\n');
            }
            let tabs = self.depth + usize::from(continued);
            self.out.extend(std::iter::repeat_n('\t', tabs));
            self.out.push_str(&line.text);
            self.out.push('\n');
            self.opened = line.last == "{";
            self.depth += usize::from(self.opened);
            self.gap = false;
            continued = line.continues;
        }
        self.out
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    /// Reads to the end of the line, or further if a quoted word continues.
    fn line(&mut self) -> Line {
        let mut line = Line::default();
        let mut is_apart = false;
        while let Some(character) = self.peek(0) {
            if character == '\n' {
                self.at += 1;
                break;
            }
            if character == '\\' && self.peek(1) == Some('\n') {
                self.at += 2;
                line.text.push_str(if line.text.is_empty() { "\\" } else { " \\" });
                line.continues = true;
                break;
            }
            if character.is_whitespace() {
                self.at += 1;
                is_apart = true;
                continue;
            }
            let start = self.at;
            let is_comment = character == '#';
            if is_comment {
                self.skip_while(|character| character != '\n')
            } else {
                self.word()
            }
            line.push(self.text[start..self.at].iter().collect(), is_comment, is_apart);
            is_apart = false;
        }
        line
    }

    fn skip_while(&mut self, test: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&test) {
            self.at += 1;
        }
    }

    /// Skips the word that starts here.
    fn word(&mut self) {
        match self.peek(0) {
            Some(quote @ ('"' | '`')) => self.quoted(quote),
            Some('<') if self.peek(1) == Some('<') => {
                if let Some(end) = self.end_of_heredoc() {
                    self.at = end;
                } else {
                    self.bare();
                }
            }
            Some('\\') if matches!(self.peek(1), Some('"' | '`' | '<')) => {
                self.at += 2;
                self.bare();
            }
            _ => self.bare(),
        }
    }

    fn bare(&mut self) {
        while let Some(character) = self.peek(0) {
            if character == '{' && self.peek(1) == Some('$') {
                // A default may hold blanks.
                let rest = &self.text[self.at..];
                if let Some(end) = rest.iter().position(|c| matches!(c, '}' | '\n')).filter(|end| rest[*end] == '}') {
                    self.at += end + 1;
                    continue;
                }
            }
            if character.is_whitespace() || (character == '\\' && self.peek(1) == Some('\n')) {
                return;
            }
            self.at += 1;
        }
    }

    fn quoted(&mut self, quote: char) {
        self.at += 1;
        while let Some(character) = self.peek(0) {
            self.at += if character == '\\' && quote == '"' { 2 } else { 1 };
            if character == quote {
                break;
            }
        }
        self.at = self.at.min(self.text.len());
    }

    /// The place after the closing marker of the heredoc that starts here; `None` when it is none.
    fn end_of_heredoc(&self) -> Option<usize> {
        let rest: String = self.text[self.at..].iter().collect();
        let (first, body) = rest.split_once('\n')?;
        let marker = first[2..].trim_end();
        if marker.is_empty() || marker.contains(char::is_whitespace) {
            return None;
        }
        let mut end = first.chars().count() + 1;
        for row in body.split('\n') {
            let text = row.trim_start();
            let closes =
                text.strip_prefix(marker).is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace));
            if closes {
                let indent = row.chars().count() - text.chars().count();
                return Some(self.at + end + indent + marker.chars().count());
            }
            end += row.chars().count() + 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn white_space_changes_and_words_do_not() {
        let text = "\u{feff}# head\n\n\n{\n\n  debug\r\n    log   {\nlevel  INFO # why   so\n\n}\n}\n:80   {\n\
                    root *   \"a  b\"\n\n\n\nrespond `x\n  y`   200\n  header A {$B:c  d}\n@m \\\n path /x\n respond <<X\n  \
                    two\n  X 201\n}\n";
        let expected = "# head\n\n{\n\tdebug\n\tlog {\n\t\tlevel INFO # why   so\n\t}\n}\n:80 {\n\troot * \"a  b\"\n\n\t\
                        respond `x\n  y` 200\n\theader A {$B:c  d}\n\t@m \\\n\t\tpath /x\n\trespond <<X\n  two\n  X 201\n}\n";
        let formatted = format(text).expect("a text");
        assert_eq!(formatted, expected);
        assert_eq!(format(&formatted).expect("a text"), formatted, "a second time nothing changes");
        assert!(format(":80 {\nrespond \"x\n}\n").is_err());
        assert_eq!(format("").expect("a text"), "");
    }
}
