//! Writes replies in the version of the protocol that the client has asked for.

use std::io::Write;

/// The unsent replies.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) is_resp3: bool,
}

impl Reply {
    fn head(&mut self, kind: char, number: impl std::fmt::Display) {
        // A vector takes everything.
        let _ = write!(self.bytes, "{kind}{number}\r\n");
    }

    pub(super) fn simple(&mut self, text: &str) {
        self.head('+', text);
    }

    /// `text` starts with a word in capitals, such as `ERR`.
    pub(super) fn error(&mut self, text: &str) {
        self.head('-', text.replace(['\r', '\n'], " "));
    }

    pub(super) fn integer(&mut self, number: i64) {
        self.head(':', number);
    }

    pub(super) fn text(&mut self, bytes: &[u8]) {
        self.head('$', bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    pub(super) fn none(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3 { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The reply to an aborted transaction.
    pub(super) fn no_array(&mut self) {
        self.bytes.extend_from_slice(if self.is_resp3 { b"_\r\n" } else { b"*-1\r\n" });
    }

    pub(super) fn optional(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.text(bytes),
            None => self.none(),
        }
    }

    pub(super) fn array(&mut self, count: usize) {
        self.head('*', count);
    }

    /// Pairs; an array of twice as many for RESP2.
    pub(super) fn map(&mut self, pairs: usize) {
        if self.is_resp3 { self.head('%', pairs) } else { self.head('*', 2 * pairs) }
    }

    /// A message without a request.
    pub(super) fn push(&mut self, count: usize) {
        self.head(if self.is_resp3 { '>' } else { '*' }, count);
    }
}
