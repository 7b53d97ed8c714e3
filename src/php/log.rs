//! Output outside of responses: each line becomes a log record.

use crate::limits::{LOG_LINE_BYTES_MAX, LOG_RECORDS_OF_MESSAGE_MAX};

/// Splits a stream of bytes into lines.
#[derive(Default)]
pub struct LineLog {
    /// What has come since the last line break.
    rest: Vec<u8>,
}

impl LineLog {
    /// Accepts bytes, and passes every complete line, without its end, to `log`. Lines longer than a record are split
    /// between two characters.
    pub fn push(&mut self, mut bytes: &[u8], mut log: impl FnMut(&str)) {
        while !bytes.is_empty() {
            let room = &bytes[..bytes.len().min(LOG_LINE_BYTES_MAX - self.rest.len())];
            let (taken, is_line) = match room.iter().position(|&byte| byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (room.len(), false),
            };
            self.rest.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if is_line {
                self.flush(&mut log);
            } else if self.rest.len() == LOG_LINE_BYTES_MAX {
                let begun = self.rest.split_off(LOG_LINE_BYTES_MAX - begun_character(&self.rest));
                self.flush(&mut log);
                self.rest = begun;
            }
        }
    }

    /// Returns the text that has no line end yet.
    pub fn flush(&mut self, mut log: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.rest);
        let line = line.trim_end_matches(['\n', '\r']);
        if !line.is_empty() {
            log(line);
        }
        self.rest.clear();
    }
}

/// Whether a character of UTF-8 starts with this byte.
fn is_first(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// The number of bytes at the end that start an incomplete UTF-8 character.
fn begun_character(bytes: &[u8]) -> usize {
    let Some(back) = bytes.iter().rev().take(4).position(|&byte| is_first(byte)) else { return 0 };
    let there = back + 1;
    let length = match bytes[bytes.len() - there] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    if there < length { there } else { 0 }
}

/// The records of a message: its lines, with too long ones split.
pub(crate) fn records(message: &str) -> impl Iterator<Item = &str> {
    message.lines().flat_map(|mut line| {
        std::iter::from_fn(move || {
            let mut end = line.len().min(LOG_LINE_BYTES_MAX);
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            let (record, rest) = line.split_at(end);
            line = rest;
            (!record.is_empty()).then_some(record)
        })
    })
}

/// Passes each record of a message to `log`. A message of more than [`LOG_RECORDS_OF_MESSAGE_MAX`] records becomes one
/// record, such as the trace of an endless recursion. The first lines show what happened, the last ones where the
/// script started.
pub(crate) fn each_record(message: &str, mut log: impl FnMut(&str)) {
    let count = records(message).count();
    if count <= LOG_RECORDS_OF_MESSAGE_MAX {
        records(message).for_each(log);
        return;
    }
    let mut last: Vec<&str> = message.lines().rev().filter(|line| !line.is_empty()).take(LINES_AT_END).collect();
    last.reverse();
    let first = records(message).take(LINES_AT_START).map(short);
    let first: Vec<&str> = first.collect();
    let last: Vec<&str> = last.into_iter().map(short).collect();
    let left_out = count - first.len() - last.len();
    log(&format!("{} | … {left_out} more lines … | {}", first.join(" | "), last.join(" | ")));
}

/// The number of lines that are logged of too long a message.
const LINES_AT_START: usize = 10;
/// See [`LINES_AT_START`].
const LINES_AT_END: usize = 5;
/// The logged part of each of these lines, so that the record stays within its bound.
const SHORT_LINE_BYTES_MAX: usize = 500;
/// A shortened message must fit into a line of the log, with the words about what was left out.
const _: () = assert!((LINES_AT_START + LINES_AT_END) * (SHORT_LINE_BYTES_MAX + 3) + 64 <= LOG_LINE_BYTES_MAX);

/// The start of a line that is too long for the log. It ends at the boundary of a character.
fn short(line: &str) -> &str {
    let mut end = line.len().min(SHORT_LINE_BYTES_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// Logs a message of PHP with the given fields, a record a line: a message with line breaks must not look like several
/// records. The level is a syslog number: 3 error, 4 warning, 5 and 6 information, 7 debug.
macro_rules! log_php {
    ($level:expr, $message:expr, $($fields:tt)*) => {
        $crate::php::each_record(&$message, |line| match $level {
            ..=3 => tracing::error!(target: "php", $($fields)*, "{line}"),
            4 => tracing::warn!(target: "php", $($fields)*, "{line}"),
            5 | 6 => tracing::info!(target: "php", $($fields)*, "{line}"),
            _ => tracing::debug!(target: "php", $($fields)*, "{line}"),
        });
    };
}
pub(crate) use log_php;

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut log = LineLog::default();
        for piece in pieces {
            log.push(piece, |line| lines.push(line.to_owned()));
        }
        log.flush(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_are_put_together() {
        assert_eq!(logged(&[b"one\r\ntw", b"o\n\nrest"]), ["one", "two", "rest"]);
    }

    #[test]
    fn long_lines_are_cut() {
        let long = vec![b'x'; 2 * LOG_LINE_BYTES_MAX + 3];
        let lengths: Vec<_> = logged(&[b"rest", &long, b"\nnext"]).iter().map(String::len).collect();
        assert_eq!(lengths, [LOG_LINE_BYTES_MAX, LOG_LINE_BYTES_MAX, 7, 4]);
        let message = "x".repeat(LOG_LINE_BYTES_MAX + 1) + "\n\nshort";
        assert_eq!(records(&message).map(str::len).collect::<Vec<_>>(), [LOG_LINE_BYTES_MAX, 1, 5]);
    }

    #[test]
    fn a_message_without_end_is_one_record() {
        let logged = |lines: usize, text: &str| {
            let message: String = (0..lines).map(|number| format!("#{number}{text}\n")).collect();
            let mut records = Vec::new();
            each_record(&message, |record| records.push(record.to_owned()));
            records
        };
        let most = logged(LOG_RECORDS_OF_MESSAGE_MAX, "");
        assert_eq!((most.len(), most[50].as_str()), (LOG_RECORDS_OF_MESSAGE_MAX, "#50"));
        let cut = logged(37_700, "");
        let middle = "#8 | #9 | … 37685 more lines … | #37695 | #37696";
        assert_eq!(cut.len(), 1);
        assert!(cut[0].starts_with("#0 | #1 |") && cut[0].contains(middle) && cut[0].ends_with("| #37699"), "{cut:?}");
        let long = logged(200, &"é".repeat(2000));
        assert!(long.len() == 1 && long[0].len() <= LOG_LINE_BYTES_MAX, "{}", long[0].len());
    }

    #[test]
    fn characters_are_not_cut() {
        for character in ["é", "€", "🐘"] {
            for before in 0..4 {
                let text = "x".repeat(before) + &character.repeat(LOG_LINE_BYTES_MAX);
                assert_eq!(logged(&[text.as_bytes()]).concat(), text);
                assert_eq!(records(&text).collect::<String>(), text);
            }
        }
        let noise: Vec<u8> = (0..=255).cycle().filter(|&byte| byte != b'\n').take(3 * LOG_LINE_BYTES_MAX).collect();
        assert!(logged(&[&noise]).len() >= 3, "what is no text gets through, too");
    }
}
