//! The interface between the async side and PHP threads: the data of one request for a PHP thread, and the way of its
//! response.
//!
//! The async side (`http`) implements [`Exchange`] over a socket. The PHP side (`php`, `worker`) sees only this trait,
//! so neither knows the other. A [`Job`] is one exchange on its way through a [`JobSender`] to a PHP thread. The
//! methods of [`Exchange`] may block the calling PHP thread, so no async task calls them. Everything else here never
//! blocks.

mod cancellation;

pub use cancellation::{Cancellation, Sleeper};

use crate::traces::TraceContext;
use std::ffi::CString;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// `SERVER_SOFTWARE`. WordPress selects its rewrite rules by the word in parentheses.
pub const SERVER_SOFTWARE: &str = concat!("Igor/", env!("CARGO_PKG_VERSION"), " (FrankenPHP)");

/// What the PHP side does after an upcall that moved bytes towards the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Flow {
    /// The bytes were taken.
    Continue,
    /// The client reads no more: PHP learns that the connection was aborted, and decides by `ignore_user_abort`.
    ClientGone,
}

/// Names and values in one piece of memory, in order: a request has dozens of them, and each on its own would cost two
/// allocations. Both may hold any byte, because PHP strings are not text. Each is NUL-terminated (not counted in its
/// length), so C can read it in place.
#[derive(Clone, Default)]
pub struct Pairs {
    /// All names and values, each followed by a NUL.
    bytes: Vec<u8>,
    /// The places of each name and its value in `bytes`.
    entries: Vec<(Range<usize>, Range<usize>)>,
}

impl Pairs {
    /// Empty, with room for this many pairs of this many bytes together.
    pub fn with_capacity(pairs: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), entries: Vec::with_capacity(pairs) }
    }

    /// Appends a pair.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_built(|bytes| bytes.extend_from_slice(name), |bytes| bytes.extend_from_slice(value));
    }

    /// Appends a pair; each function appends its half to the buffer.
    pub fn push_built(&mut self, name: impl FnOnce(&mut Vec<u8>), value: impl FnOnce(&mut Vec<u8>)) {
        let entry = (self.append(name), self.append(value));
        self.entries.push(entry);
    }

    /// Sets the value of the first pair of this name; adds the pair if there is none.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        match self.entries.iter().position(|(other, _)| self.bytes[other.clone()] == *name) {
            Some(at) => self.entries[at].1 = self.append(|bytes| bytes.extend_from_slice(value)),
            None => self.push(name, value),
        }
    }

    /// The value of the first pair of this name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// The pair at this index.
    pub fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.entries.get(index).map(|entry| self.pair(entry))
    }

    /// The pairs, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| self.pair(entry))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The ranges are from `append`, so they are inside of `bytes`.
    fn pair(&self, (name, value): &(Range<usize>, Range<usize>)) -> (&[u8], &[u8]) {
        (&self.bytes[name.clone()], &self.bytes[value.clone()])
    }

    /// Returns the place of what `build` has added. The NUL after it is not part of that place.
    fn append(&mut self, build: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.bytes.len();
        build(&mut self.bytes);
        let end = self.bytes.len();
        self.bytes.push(0);
        start..end
    }
}

impl PartialEq for Pairs {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Pairs {}

impl fmt::Debug for Pairs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        formatter.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

/// The data of a request for PHP, before it runs. The strings are C strings, because PHP keeps pointers into them
/// during the request. Their creator drops bytes after a NUL or refuses the request.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// Absolute path of the script that PHP opens (relative paths fail in a thread-safe PHP). Empty (only from the
    /// command line): standard input.
    pub script: CString,
    /// `GET`, `POST`, …
    pub method: CString,
    /// The path and query as the client sent them.
    pub uri: CString,
    /// The encoded text after the `?`; empty if there is none.
    pub query: CString,
    /// The value of `Content-Type`, if any.
    pub content_type: Option<CString>,
    /// The value of `Content-Length` in bytes; -1 when the body is chunked.
    pub content_length: i64,
    /// The value of `Cookie`, several of them joined with `"; "`.
    pub cookie: Option<CString>,
    /// The value of `Authorization`; PHP derives `PHP_AUTH_USER` and its siblings from it.
    pub authorization: Option<CString>,
    /// 1000 for HTTP/1.0, 1001 for HTTP/1.1, 2000 for HTTP/2.
    pub protocol: i32,
    /// See [`Exchange::server_vars`].
    pub server_vars: Pairs,
    /// The variables that the script sees in place of those of the process, besides `server_vars`; `None`: it sees those of
    /// the process.
    pub environment: Option<Arc<Pairs>>,
    /// See [`Exchange::headers`].
    pub headers: Pairs,
    /// Set if the request has its own process: the additions of PHP's own programs.
    pub command: Option<CommandLine>,
    /// How long it may take.
    pub time_limits: RequestTimeLimits,
    /// The php.ini settings of the block.
    pub block_ini: Option<Arc<IniText>>,
    /// The php.ini settings that a web server has sent with the request; they are applied after the settings of the block.
    pub own_ini: Option<Box<IniText>>,
    /// The span of the request, if it has one.
    pub trace: Option<TraceContext>,
}

/// The time limits of a request on its PHP thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestTimeLimits {
    /// After this time the log gets a backtrace of the script.
    pub slow: Option<Duration>,
    /// The most lines of that backtrace.
    pub trace_depth: u32,
    /// After this time the script is ended.
    pub terminate: Option<Duration>,
}

/// Lines of php.ini for single PHP requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IniText {
    /// Settings that the script may change by `ini_set()`.
    pub values: CString,
    /// Settings that it may not change.
    pub admin: CString,
}

/// The additions for a script in its own process. It also has the process's environment in its `$_SERVER`.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    /// `$argv`, starting with the script's name; empty: PHP builds it from the query.
    pub arguments: Vec<CString>,
    /// PHP code, without an opening tag, that runs instead of the script.
    pub code: Option<CString>,
    /// The program of PHP that the script seems to run in.
    pub interface: Interface,
}

/// The program of PHP that a script in its own process runs like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interface {
    /// `php`: the constants `STDIN`, `STDOUT` and `STDERR`, no response head, the caller's working directory.
    #[default]
    Cli,
    /// `php-cgi`: the response head on the standard output, with the status as a header, and the request body on the
    /// standard input.
    Cgi {
        /// Without the response head.
        quiet: bool,
        /// The working directory stays the caller's, and does not change to the script's folder.
        stays: bool,
    },
}

/// The status and header lines of a response, in the order in which PHP sent them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code, 100 to 599.
    pub status: u16,
    /// In the order in which the script sent them; the same name may occur several times.
    headers: Pairs,
}

impl ResponseHead {
    /// An empty head with this status.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Pairs::default() }
    }

    /// Adds a header line of the form `Name: value`, as PHP keeps it. A line without a colon is dropped: it cannot be
    /// sent. Returns whether it was taken.
    pub fn push_line(&mut self, line: &[u8]) -> bool {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { return false };
        self.headers.push(line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        true
    }

    /// The headers, name and value, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.headers.iter()
    }
}

/// Why a request body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request body ended before the whole of it was read")]
pub struct BodyAborted;

/// What a request has used of its PHP thread. The thread notes it once, when the response ends and before its client can
/// know that. It is measured for those who ask only: it costs two system calls.
#[derive(Debug, Default)]
pub struct Usage(OnceLock<Used>);

/// See [`Usage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// The thread's number in the system.
    pub thread: u32,
    /// The processor time in user mode.
    pub user: Duration,
    /// The processor time in the kernel.
    pub system: Duration,
    /// The most memory that PHP has had on this thread at once, since its PHP request began.
    pub memory_bytes: u64,
}

impl Usage {
    /// What was noted; `None`: the request has reached no PHP thread, or its response has not ended.
    pub fn get(&self) -> Option<Used> {
        self.0.get().copied()
    }

    /// Only the first note of a request stays: a script may run on after its response.
    pub fn note(&self, used: Used) {
        let _ = self.0.set(used);
    }
}

/// One request and its response, as the PHP thread sees them. Dropping it ends the response: the output so far
/// is delivered; without any, the client gets a 500.
pub trait Exchange: Send {
    /// The data of the request for PHP. Stays valid and unchanged until the exchange is dropped.
    fn head(&self) -> &RequestHead;

    /// Everything that goes into `$_SERVER`, in order. PHP adds `PHP_SELF` and the request times itself when missing. Called
    /// only if the script uses it, so an exchange may build it then. Stays valid and unchanged like the head.
    fn server_vars(&self) -> &Pairs {
        &self.head().server_vars
    }

    /// The request's headers as they came, for `getallheaders()`. As for [`server_vars`](Self::server_vars).
    fn headers(&self) -> &Pairs {
        &self.head().headers
    }

    /// Called when a PHP thread takes the request: `cancellation` ends the waits of that thread. Such a wait then ends
    /// as if the client had disconnected.
    fn taken(&mut self, cancellation: &Arc<Cancellation>) {
        let _ = cancellation;
    }

    /// Where the PHP thread notes what the request has used, before [`finish`](Self::finish) and before the drop. `None`:
    /// no one asks.
    fn usage(&self) -> Option<&Arc<Usage>> {
        None
    }

    /// Reads the next bytes of the request body; blocks until there are some. `Ok(0)` is the end.
    ///
    /// # Errors
    /// [`BodyAborted`] when the client went away in the middle, or the wait was cancelled.
    fn read_body(&mut self, into: &mut [u8]) -> Result<usize, BodyAborted>;

    /// The length of a body that is there whole, for [`read_body_at`](Self::read_body_at). `None`: it is not, or is empty.
    fn whole_body(&self) -> Option<u64> {
        None
    }

    /// Reads bytes of a body that is there whole, from this position, without a wait for the client. 0 is the end.
    ///
    /// # Errors
    /// [`BodyAborted`] when they cannot be read.
    fn read_body_at(&mut self, position: u64, into: &mut [u8]) -> Result<usize, BodyAborted> {
        let _ = (position, into);
        Err(BodyAborted)
    }

    /// Sets the final status and headers. Called once, before the first byte of the body.
    fn respond(&mut self, head: ResponseHead) -> Flow;

    /// Sends an informational response (1xx), such as 103 Early Hints, at once.
    fn inform(&mut self, head: ResponseHead) -> Flow;

    /// Takes bytes of the body. Blocks while the client reads slower than PHP writes. The bytes may wait in a buffer
    /// until [`flush`](Self::flush), [`finish`](Self::finish) or the buffer's end.
    fn write(&mut self, bytes: &[u8]) -> Flow;

    /// Sends the buffered output.
    fn flush(&mut self) -> Flow;

    /// Ends the response while the script continues (`fastcgi_finish_request()`). Later writes are dropped.
    fn finish(&mut self);

    /// Whether the client went away. Cheap: `connection_aborted()` calls it between writes.
    fn client_gone(&self) -> bool;

    /// Called after the script ended and before the drop: `true` when PHP ended by a fatal error or was killed. If
    /// nothing was sent yet, the client gets a 500.
    fn ended(&mut self, failed: bool);
}

/// No thread has the job yet, and its waiter still waits. The other two states are final.
const QUEUED: u8 = 0;
/// A PHP thread has the job: from here on only the script's own time limit ends it.
const TAKEN: u8 = 1;
/// The waiter has left. The thread that finds the job drops it.
const WITHDRAWN: u8 = 2;

/// The owner of a queued job: the queue, the PHP thread that took it, or the waiter that gave up. One compare-and-swap
/// decides; `AcqRel`, because the taker reads what the sender wrote into the exchange.
#[derive(Debug, Clone, Default)]
pub struct Claim(Arc<AtomicU8>);

impl Claim {
    /// Takes the job back from the queue because it waited too long. `false`: a PHP thread already has it.
    pub fn withdraw(&self) -> bool {
        self.0.compare_exchange(QUEUED, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether a PHP thread has taken the job.
    pub fn is_taken(&self) -> bool {
        self.0.load(Ordering::Acquire) == TAKEN
    }

    /// Whether the caller gets the job. Of a thread and a waiter that try at the same moment, exactly one succeeds.
    fn take(&self) -> bool {
        self.0.compare_exchange(QUEUED, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One exchange on its way to a PHP thread.
pub struct Job {
    exchange: Box<dyn Exchange>,
    /// Shared with the waiter, which may withdraw the job.
    claim: Claim,
    /// Called when a PHP thread takes the job, and dropped uncalled otherwise: it frees the place in the queue.
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

/// Accepts jobs for a queue of PHP threads (the classic threads for one scope, or one HTTP worker).
pub trait JobSender: Send + Sync {
    /// How many jobs may wait. The number of places; a caller must hold one before it sends.
    fn capacity(&self) -> usize;

    /// Queues the job without blocking.
    ///
    /// # Errors Returns the job if the queue is full or its threads have ended.
    fn offer(&self, job: Job) -> Result<(), Job>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_keep_their_order_and_take_any_byte() {
        let mut pairs = Pairs::default();
        pairs.push(b"a", b"1");
        pairs.push(b"b", b"\0\xff");
        pairs.push(b"a", b"");
        pairs.set(b"a", b"longer than before");
        pairs.set(b"c", b"3");
        pairs.push_built(|name| name.extend_from_slice(b"HTTP_X"), |value| value.extend_from_slice(b"4"));
        let expected: [(&[u8], &[u8]); 5] =
            [(b"a", b"longer than before"), (b"b", b"\0\xff"), (b"a", b""), (b"c", b"3"), (b"HTTP_X", b"4")];
        assert!(pairs.iter().eq(expected), "{pairs:?}");
        assert_eq!((pairs.len(), pairs.at(1), pairs.at(5)), (5, Some(expected[1]), None));
        assert_eq!((pairs.get(b"a"), pairs.get(b"HTTP_"), pairs.get(b"")), (Some(expected[0].1), None, None));
    }

    #[test]
    fn a_nul_follows_every_name_and_value() {
        let mut pairs = Pairs::default();
        pairs.push(b"", b"");
        pairs.push(b"name", b"value");
        pairs.set(b"name", b"other");
        let base = pairs.bytes.as_ptr() as usize;
        for (name, value) in pairs.iter() {
            for half in [name, value] {
                assert_eq!(pairs.bytes[half.as_ptr() as usize - base + half.len()], 0);
            }
        }
    }

    #[test]
    fn equal_pairs_are_equal_however_they_were_made() {
        let (mut one, mut other) = (Pairs::default(), Pairs::with_capacity(1, 100));
        one.push(b"a", b"0");
        one.set(b"a", b"1");
        other.push(b"a", b"1");
        assert_eq!(one, other);
        other.push(b"a", b"1");
        assert_ne!(one, other);
    }
}
