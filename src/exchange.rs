//! The door between the two worlds: what a PHP thread needs to know of one request, and where its answer goes.
//!
//! The async side (`http`) implements [`Exchange`] over a socket; the PHP side (`php`, `worker`) only sees this trait,
//! so neither knows the other. A [`Job`] is one exchange on its way through a [`Gate`] to a PHP thread. Everything here
//! may block the calling *PHP thread*; nothing here may be called from an async task, except [`Gate::offer`] and
//! [`Claim::withdraw`], which never block.

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What the PHP side does after an upcall that moved bytes towards the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// The bytes were taken.
    Continue,
    /// Nobody reads any more: PHP is told that the connection was aborted, and decides by `ignore_user_abort`.
    ClientGone,
}

/// One `$_SERVER` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerVar {
    /// The key, for example `REMOTE_ADDR`.
    pub name: CString,
    /// The value as bytes. It may hold any byte: PHP strings are not text.
    pub value: Vec<u8>,
}

/// What PHP is told of a request before it runs. The strings are C strings because PHP keeps pointers into them for as
/// long as the request lasts; whoever makes them drops bytes after a NUL or refuses the request.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// Absolute path of the script that PHP opens (relative paths fail in a thread-safe PHP). Empty, which only the command
    /// line may give: the standard input.
    pub script: CString,
    /// `GET`, `POST`, …
    pub method: CString,
    /// The path and query as the client sent them.
    pub uri: CString,
    /// What follows the `?`, still encoded; empty when there is none.
    pub query: CString,
    /// The value of `Content-Type`, if any.
    pub content_type: Option<CString>,
    /// The value of `Content-Length` in bytes; -1 when the body is chunked.
    pub content_length: i64,
    /// The value of `Cookie`, several of them joined with `"; "`.
    pub cookie: Option<CString>,
    /// The value of `Authorization`, from which PHP takes `PHP_AUTH_USER` and its siblings.
    pub authorization: Option<CString>,
    /// 1000 for HTTP/1.0, 1001 for HTTP/1.1, 2000 for HTTP/2.
    pub protocol: i32,
    /// Everything that goes into `$_SERVER`, in order. PHP adds `PHP_SELF` and the request times itself when missing.
    pub server_vars: Vec<ServerVar>,
    /// The request's headers as they came, for `getallheaders()`.
    pub headers: Vec<(CString, Vec<u8>)>,
    /// Set when the script is run from the command line: what PHP's own command line gives a script beyond a request.
    pub command: Option<CommandLine>,
}

/// What a script that is run from the command line is given. It also has the process's environment in its `$_SERVER`, and
/// the constants `STDIN`, `STDOUT` and `STDERR`.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// `$argv`, beginning with the script's name.
    pub arguments: Vec<CString>,
    /// PHP code, without an opening tag, that runs instead of the script.
    pub code: Option<CString>,
}

/// The status and header lines of a response, in the order in which PHP sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code, 100 to 599.
    pub status: u16,
    bytes: Vec<u8>,
    /// For each header: where the name ends and where the value ends in `bytes`; the next one starts there.
    ends: Vec<(u32, u32)>,
}

impl ResponseHead {
    /// An empty head with this status.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Adds a header line of the form `Name: value`, as PHP keeps it. A line without a colon is dropped: it cannot be
    /// sent. Returns whether it was taken.
    pub fn push_line(&mut self, line: &[u8]) -> bool {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        self.bytes.extend_from_slice(name);
        let name_end = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len() as u32));
        true
    }

    /// The headers, name and value, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let pair = (&self.bytes[start..name_end as usize], &self.bytes[name_end as usize..value_end as usize]);
            start = value_end as usize;
            pair
        })
    }
}

/// Why a request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client closed the connection before it sent the whole request body")]
pub struct BodyAborted;

/// One request and its answer, seen from the PHP thread that runs it. Dropping it ends the answer: what was written is
/// delivered; when nothing was, the client gets a 500.
pub trait Exchange: Send {
    /// What PHP is told of the request. Stays valid and unchanged until the exchange is dropped.
    fn head(&self) -> &RequestHead;

    /// Reads the next bytes of the request body; blocks until there are some. `Ok(0)` is the end.
    ///
    /// # Errors
    /// [`BodyAborted`] when the client went away in the middle.
    fn read_body(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted>;

    /// Sets the final status and headers. Called once, before the first byte of the body.
    fn respond(&mut self, head: ResponseHead) -> Flow;

    /// Sends an informational response (1xx), such as 103 Early Hints, at once.
    fn inform(&mut self, head: ResponseHead) -> Flow;

    /// Takes bytes of the body. Blocks while the client reads slower than PHP writes. The bytes may wait in a buffer
    /// until [`flush`](Self::flush), [`finish`](Self::finish) or the buffer's end.
    fn write(&mut self, bytes: &[u8]) -> Flow;

    /// Sends what is buffered.
    fn flush(&mut self) -> Flow;

    /// Ends the answer while the script goes on (`fastcgi_finish_request()`). Later writes are dropped.
    fn finish(&mut self);

    /// Whether the client went away. Cheap; used by `connection_aborted()` between writes.
    fn client_gone(&self) -> bool;

    /// Told after the script ended and before the drop: `true` when PHP ended by a fatal error or was killed. An
    /// exchange that has sent nothing yet answers 500 then.
    fn ended(&mut self, failed: bool);
}

const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Who owns a queued job: the queue, the PHP thread that took it, or the waiter that gave up. One compare-and-swap
/// decides; `AcqRel` because the taker reads what the offerer wrote into the exchange.
#[derive(Debug, Clone, Default)]
pub struct Claim(Arc<AtomicU8>);

impl Claim {
    /// Takes the job back from the queue because it waited too long. `false`: a PHP thread has it already.
    pub fn withdraw(&self) -> bool {
        self.0.compare_exchange(QUEUED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether a PHP thread has taken the job.
    pub fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire) == TAKEN
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(QUEUED, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One exchange on its way to a PHP thread.
pub struct Job {
    exchange: Box<dyn Exchange>,
    claim: Claim,
    /// Called when a PHP thread takes the job, and dropped uncalled otherwise: it gives the place in the queue back.
    on_taken: Option<Box<dyn FnOnce() + Send>>,
}

impl Job {
    /// Wraps an exchange. `on_taken` runs on the PHP thread that takes the job; it must not block.
    pub fn new(exchange: Box<dyn Exchange>, on_taken: Option<Box<dyn FnOnce() + Send>>) -> Self {
        Self { exchange, claim: Claim::default(), on_taken }
    }

    /// The handle by which the waiter can withdraw the job while it is queued.
    pub fn claim(&self) -> Claim {
        self.claim.clone()
    }

    /// Takes the job for a PHP thread; `None` when its waiter has given up.
    pub fn take(mut self) -> Option<Box<dyn Exchange>> {
        if !self.claim.take() {
            return None;
        }
        if let Some(on_taken) = self.on_taken.take() {
            on_taken();
        }
        Some(self.exchange)
    }
}

/// Where jobs go in: the queue of one kind of PHP thread (the classic threads for one scope, or one HTTP worker).
pub trait Gate: Send + Sync {
    /// How many jobs may wait. A caller holds one of this many places before it offers.
    fn capacity(&self) -> usize;

    /// Queues the job without blocking.
    ///
    /// # Errors
    /// Gives the job back when the queue is full or the threads behind it are gone.
    fn offer(&self, job: Job) -> Result<(), Job>;
}
