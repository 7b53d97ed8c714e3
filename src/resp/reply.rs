//! Writes replies in the version of the protocol that the client has asked for.

/// The unsent replies.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) is_resp3: bool,
}

impl Reply {
    fn line(&mut self, kind: u8, text: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn head(&mut self, kind: u8, number: impl itoa::Integer) {
        self.line(kind, itoa::Buffer::new().format(number).as_bytes());
    }

    pub(super) fn simple(&mut self, text: &str) {
        self.line(b'+', text.as_bytes());
    }

    /// `text` starts with a word in capitals, such as `ERR`.
    pub(super) fn error(&mut self, text: &str) {
        self.line(b'-', text.replace(['\r', '\n'], " ").as_bytes());
    }

    pub(super) fn integer(&mut self, number: i64) {
        self.head(b':', number);
    }

    pub(super) fn text(&mut self, bytes: &[u8]) {
        self.head(b'$', bytes.len());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// An integer as the text of a value.
    pub(super) fn integer_text(&mut self, number: i64) {
        self.text(itoa::Buffer::new().format(number).as_bytes());
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
        self.head(b'*', count);
    }

    /// Pairs; an array of twice as many for RESP2.
    pub(super) fn map(&mut self, pairs: usize) {
        if self.is_resp3 { self.head(b'%', pairs) } else { self.head(b'*', 2 * pairs) }
    }

    /// A message without a request.
    pub(super) fn push(&mut self, count: usize) {
        self.head(if self.is_resp3 { b'>' } else { b'*' }, count);
    }
}
