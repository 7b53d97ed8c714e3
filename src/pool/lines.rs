//! Output that belongs to no response: it goes to the log, a line a record.

use crate::limits::LOG_LINE_BYTES_MAX;

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub struct LineLog {
    rest: Vec<u8>,
}

impl LineLog {
    /// Takes bytes and hands every whole line, without its end, to `log`. Lines longer than a record may be are cut.
    pub fn push(&mut self, bytes: &[u8], mut log: impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.rest.len() >= LOG_LINE_BYTES_MAX {
                self.flush(&mut log);
            }
        }
    }

    /// Hands over what has no line end yet.
    pub fn flush(&mut self, mut log: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.rest);
        let line = line.trim_end_matches(['\n', '\r']);
        if !line.is_empty() {
            log(line);
        }
        self.rest.clear();
    }
}

/// Logs a message of PHP with the given fields, a record a line: a message with line breaks must not look like several
/// records. The level is a syslog number: 3 error, 4 warning, 5 and 6 information, 7 debug.
macro_rules! log_php {
    ($level:expr, $message:expr, $($fields:tt)*) => {
        for line in $message.lines().filter(|line| !line.is_empty()) {
            match $level {
                ..=3 => tracing::error!(target: "php", $($fields)*, "{line}"),
                4 => tracing::warn!(target: "php", $($fields)*, "{line}"),
                5 | 6 => tracing::info!(target: "php", $($fields)*, "{line}"),
                _ => tracing::debug!(target: "php", $($fields)*, "{line}"),
            }
        }
    };
}
pub(crate) use log_php;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_long_ones_cut() {
        let mut lines = Vec::new();
        let mut log = LineLog::default();
        log.push(b"one\r\ntw", |line| lines.push(line.to_owned()));
        log.push(b"o\n\nrest", |line| lines.push(line.to_owned()));
        log.push(&vec![b'x'; LOG_LINE_BYTES_MAX], |line| lines.push(line.len().to_string()));
        log.flush(|line| lines.push(line.to_owned()));
        assert_eq!(lines, ["one", "two", &(LOG_LINE_BYTES_MAX + 4).to_string()]);
    }
}
