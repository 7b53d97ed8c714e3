//! `{env.NAME}` in an expression: the value is a text there, whatever it holds, and no part of the expression.

use super::super::text::word_in_braces;

/// Where in an expression one is: in none of its texts, or in one.
#[derive(Default)]
pub(super) struct Place {
    /// What ends the text.
    quote: Option<char>,
    /// Whether a backslash has no meaning.
    is_raw: bool,
}

impl Place {
    /// Puts the values in. `value` returns that of a variable; `None`: it stays as it is.
    ///
    /// # Errors The quote of a raw text that a value would end.
    pub(super) fn fill(&mut self, text: &str, mut value: impl FnMut(&str) -> Option<String>) -> Result<String, char> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("{env.") {
            let (before, from) = rest.split_at(at);
            self.pass(before);
            filled.push_str(before);
            let Some(word) = word_in_braces(from) else {
                rest = from;
                break;
            };
            let whole = &from[..word.len() + 2];
            match value(&word["env.".len()..]) {
                Some(value) => filled.push_str(&self.written(&value)?),
                None => filled.push_str(whole),
            }
            rest = &from[whole.len()..];
        }
        self.pass(rest);
        filled.push_str(rest);
        Ok(filled)
    }

    fn pass(&mut self, text: &str) {
        let mut letters = text.chars();
        // `r` makes a text raw, but not at the end of a name.
        let (mut before, mut last) = (' ', ' ');
        while let Some(letter) = letters.next() {
            match self.quote {
                Some(quote) if letter == quote => self.quote = None,
                Some(_) if letter == '\\' && !self.is_raw => drop(letters.next()),
                Some(_) => {}
                None if matches!(letter, '"' | '\'' | '`') => {
                    let is_name = before.is_ascii_alphanumeric() || before == '_';
                    self.quote = Some(letter);
                    self.is_raw = letter == '`' || (matches!(last, 'r' | 'R') && !is_name);
                }
                None => {}
            }
            (before, last) = (last, letter);
        }
    }

    /// The value as a text, or as a part of the text around it.
    fn written(&self, value: &str) -> Result<String, char> {
        match self.quote {
            Some(quote) if self.is_raw => {
                if value.contains(quote) {
                    Err(quote)
                } else {
                    Ok(value.to_owned())
                }
            }
            Some(_) => Ok(escaped(value)),
            None => Ok(format!("\"{}\"", escaped(value))),
        }
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\'', "\\'")
}
