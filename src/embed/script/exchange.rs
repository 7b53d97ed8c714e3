//! The [`Exchange`] of a script in its own process: writes the response to standard output, and reads the request body
//! from standard input.

use crate::exchange::{BodyAborted, Exchange, Flow, Interface, RequestHead, ResponseHead};
use crate::limits::{SCRIPT_BODY_BYTES_MAX, SCRIPT_OUTPUT_BYTES_MAX};
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

/// Where the output of a script goes.
pub(super) enum Output {
    /// To standard output, unbuffered, so that output of child processes keeps its order.
    Process(File),
    /// Stored, for the comparison with other threads.
    Kept(Arc<Kept>),
}

/// The output of one of several threads.
pub(super) struct Kept {
    /// The process that the output belongs to. A forked child prints to standard output directly.
    process: u32,
    /// What was written. One thread writes; another reads after it has finished.
    bytes: Mutex<Vec<u8>>,
}

/// Where the bytes of the request body come from.
pub(super) type Body = Box<dyn Read + Send>;

/// A request whose response is the process's output.
pub(super) struct ProcessExchange {
    head: RequestHead,
    output: Output,
    body: Body,
    finished: bool,
    gone: bool,
}

impl Output {
    /// # Errors No descriptor is left.
    pub(super) fn of_process() -> io::Result<Self> {
        Ok(Self::Process(io::stdout().as_fd().try_clone_to_owned()?.into()))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Process(output) => output.write_all(bytes),
            Self::Kept(kept) => kept.write(bytes),
        }
    }
}

impl Kept {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { process: std::process::id(), bytes: Mutex::default() })
    }

    /// Takes out what was written.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.bytes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if std::process::id() != self.process {
            return File::from(io::stdout().as_fd().try_clone_to_owned()?).write_all(bytes);
        }
        let mut kept = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        // One byte more than allowed is kept, so that the reader notices the excess.
        let room = (SCRIPT_OUTPUT_BYTES_MAX + 1).saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room { Err(ErrorKind::FileTooLarge.into()) } else { Ok(()) }
    }
}

/// The body from standard input, with the length in the request.
///
/// # Errors No descriptor is left.
pub(super) fn body_of_process(head: &RequestHead) -> io::Result<Body> {
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    Ok(Box::new(input.take(body_bytes(head))))
}

/// The body, read once for several threads.
///
/// # Errors
/// It cannot be read, or is larger than [`SCRIPT_BODY_BYTES_MAX`].
pub(super) fn body_for_threads(head: &RequestHead) -> io::Result<Arc<[u8]>> {
    if body_bytes(head) > SCRIPT_BODY_BYTES_MAX {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::new();
    body_of_process(head)?.read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

/// The same body for one more thread.
pub(super) fn body_again(bytes: &Arc<[u8]>) -> Body {
    Box::new(Cursor::new(bytes.clone()))
}

/// Only php-cgi takes a body; php's standard input belongs to the script, as `php://stdin`.
fn body_bytes(head: &RequestHead) -> u64 {
    match head.command.as_ref().map(|command| command.interface) {
        Some(Interface::Cgi { .. }) => u64::try_from(head.content_length).unwrap_or(0),
        _ => 0,
    }
}

impl ProcessExchange {
    pub(super) fn new(head: RequestHead, output: Output, body: Body) -> Self {
        Self { head, output, body, finished: false, gone: false }
    }

    fn prints_head(&self) -> bool {
        let interface = self.head.command.as_ref().map(|command| command.interface);
        matches!(interface, Some(Interface::Cgi { quiet: false, .. }))
    }
}

impl Exchange for ProcessExchange {
    fn head(&self) -> &RequestHead {
        &self.head
    }

    fn read_body(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted> {
        loop {
            match self.body.read(into) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result.map_err(|_| BodyAborted),
            }
        }
    }

    fn respond(&mut self, head: ResponseHead) -> Flow {
        if !self.prints_head() {
            return Flow::Continue;
        }
        let mut text = Vec::new();
        for (name, value) in head.headers() {
            text.extend_from_slice(&[name, b": ", value, b"\r\n"].concat());
        }
        text.extend_from_slice(b"\r\n");
        self.write(&text)
    }

    fn inform(&mut self, _head: ResponseHead) -> Flow {
        Flow::Continue
    }

    fn write(&mut self, bytes: &[u8]) -> Flow {
        if !self.finished && !self.gone {
            self.gone = self.output.write(bytes).is_err();
        }
        if self.gone { Flow::ClientGone } else { Flow::Continue }
    }

    fn flush(&mut self) -> Flow {
        if self.gone { Flow::ClientGone } else { Flow::Continue }
    }

    fn finish(&mut self) {
        self.finished = true;
    }

    fn client_gone(&self) -> bool {
        self.gone
    }

    fn ended(&mut self, _failed: bool) {}
}
