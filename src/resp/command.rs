//! Commands, and how to read their words.

use super::session::Session;
use std::str::from_utf8;

/// A command: its name in lower case, the least number of words with the name, whether there may be more, and what it does. `Err`
/// is the text of an error reply.
pub(super) struct Command {
    pub(super) name: &'static str,
    pub(super) words: i64,
    pub(super) run: fn(&mut Session, &[&[u8]]) -> Result<(), String>,
}

pub(super) fn syntax() -> String {
    "ERR syntax error".to_owned()
}

/// A word in lower case, for comparison.
pub(super) fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}

/// # Errors The word is not an integer.
pub(super) fn integer(word: &[u8]) -> Result<i64, String> {
    let number = from_utf8(word).ok().and_then(|word| word.parse().ok());
    number.ok_or_else(|| "ERR value is not an integer or out of range".to_owned())
}
