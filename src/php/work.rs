//! The work of a PHP thread, as the layers above define it. The loop of a thread is in C. It calls [`Work`] or
//! [`Scope`], and each result is a plain value. C acts on the result after Rust has returned (law 1).

use super::cutoff::Cutoff;
use super::mode::Mode;
use crate::exchange::{Exchange, IniText, Pairs};
use crate::tasks::{Parcel, SendError, Task};
use crate::vars::{Refusal, Slot};
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// What a thread does next.
pub enum Next {
    /// Leave the loop: the thread ends.
    Stop,
    /// Serve one HTTP request (classic threads).
    Request {
        /// The request and its response.
        exchange: Box<dyn Exchange>,
        /// The background workers that the script sees.
        scope: Arc<dyn Scope>,
    },
    /// Run a worker script from its start.
    Run(Run),
}

/// One run of a worker script.
pub struct Run {
    /// Absolute path of the script.
    pub script: CString,
    /// `argv[1]`: the name under which a background worker runs.
    pub argument: Option<CString>,
    /// `$_SERVER` entries.
    pub server_vars: Pairs,
    /// HTTP worker: the entries that every request gets in `$_SERVER` besides its own.
    pub request_vars: Pairs,
    /// The variables that the script sees in place of those of the process, also in its requests; `None`: it sees those of
    /// the process.
    pub environment: Option<Arc<Pairs>>,
    /// The php.ini settings of the block.
    pub ini: Option<Arc<IniText>>,
    /// The background workers that the script sees.
    pub scope: Arc<dyn Scope>,
}

/// The last error that could end a script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScriptError {
    /// PHP's name of the level, for example `Fatal error`.
    pub level: &'static str,
    /// The message; for an uncaught exception it begins with `Uncaught` and the class.
    pub message: String,
    /// The script file; empty when it happened outside of every script.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

impl ScriptError {
    /// The level and the first line of the message, without the place: PHP adds the stack trace and "thrown", and, to
    /// an uncaught exception, the place.
    pub fn summary(&self) -> String {
        let first = self.message.lines().next().unwrap_or_default();
        format!("{}: {}", self.level, first.strip_suffix(&self.place()).unwrap_or(first))
    }

    fn place(&self) -> String {
        if self.file.is_empty() {
            return String::new();
        }
        format!(" in {}:{}", self.file, self.line)
    }
}

impl std::fmt::Display for ScriptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.summary(), self.place())
    }
}

/// How a PHP request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// PHP's exit status; 255 after a fatal error or an uncaught exception.
    pub exit_status: i32,
    /// Whether it ended by a fatal error, an uncaught exception, a bailout or a kill.
    pub failed: bool,
    /// HTTP worker: whether the script has called `frankenphp_handle_request()`.
    pub handled: bool,
    /// The last error that could have ended it.
    pub error: Option<ScriptError>,
}

/// The class of exception that a failure becomes in PHP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// `RuntimeException`
    Runtime,
    /// `ValueError`
    Value,
    /// `LogicException`
    Logic,
}

/// A call that did not succeed, as PHP will see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class of the exception.
    pub kind: FailureKind,
    /// Its message.
    pub message: String,
}

impl Failure {
    /// A `RuntimeException`.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Runtime, message: message.into() }
    }

    /// A `ValueError`.
    pub fn value(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Value, message: message.into() }
    }

    /// A value that `call` cannot take: a `ValueError` if a script can avoid it by another value.
    pub(super) fn of_refusal(call: &str, refusal: &Refusal) -> Self {
        let message = format!("{call}: {refusal}");
        if refusal.is_value_error() { Self::value(message) } else { Self::runtime(message) }
    }
}

/// The phase of the calling script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A classic request, or a background worker.
    Request,
    /// An HTTP worker before its first `frankenphp_handle_request()`.
    Boot,
    /// Inside that function's callback.
    Callback,
}

/// How long and in which way a script waits for background workers.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// The longest wait.
    pub timeout: Duration,
    /// The phase of the caller.
    pub phase: Phase,
    /// Ends the wait from outside.
    pub cutoff: Cutoff<'a>,
}

/// Why a task could not be sent.
pub enum SendRefused {
    /// The worker cannot be started.
    Failure(Failure),
    /// No thread of it has taken the task.
    Sending(SendError),
}

/// An update for the browsers that are subscribed to one of its topics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// The topics; the first is the canonical one.
    pub topics: Vec<String>,
    /// The text that subscribers get.
    pub data: String,
    /// Whether only subscribers that may get private updates of a topic get it.
    pub is_private: bool,
    /// The identifier; `None`: a random one.
    pub id: Option<String>,
    /// The name of the event.
    pub kind: Option<String>,
    /// How long a browser waits before it connects again, in milliseconds.
    pub retry: Option<u64>,
    /// Whether it is for the subscribers of this instance alone: the other instances of a cluster have it from elsewhere.
    pub is_local: bool,
}

/// Where the updates of a scope's scripts go.
pub trait UpdateHub: Send + Sync {
    /// Sends the update; returns its identifier.
    ///
    /// # Errors The reason why it is no valid update.
    fn publish(&self, update: Update) -> Result<String, String>;
}

/// The background workers that one script sees. Called on PHP threads, which it may block.
pub trait Scope: Send + Sync {
    /// The label of the block that the scripts belong to. `None`: they belong to none.
    fn label(&self) -> Option<&str> {
        None
    }

    /// Sends an update to the hub of the block's site.
    ///
    /// # Errors
    /// There is no hub, or the update is not valid.
    fn send_update(&self, _update: Update) -> Result<String, Failure> {
        Err(Failure::runtime("No Mercure hub configured"))
    }

    /// The slot of a worker for `frankenphp_get_vars()`: never starts one, never waits.
    ///
    /// # Errors
    /// The worker is not known in this scope.
    fn slot(&self, name: &[u8]) -> Result<Arc<Slot>, Failure>;

    /// Why a known worker has published nothing yet.
    fn nothing_published(&self, name: &[u8]) -> Failure;

    /// `frankenphp_require_background_worker()`. `caller` is the calling background worker, if it is one.
    ///
    /// # Errors
    /// The worker is not declared, failed, gave up, or was not ready in time.
    fn require(&self, name: &[u8], wait: Wait<'_>, caller: Option<&[u8]>) -> Result<(), Failure>;

    /// `frankenphp_ensure_background_worker()`: starts all, then awaits all within one deadline.
    ///
    /// # Errors
    /// As for [`require`](Self::require), for the first name that failed.
    fn ensure(&self, names: &[Vec<u8>], wait: Wait<'_>, caller: Option<&[u8]>) -> Result<(), Failure>;

    /// `new FrankenPHP\SentTaskHandle()`: starts the worker if it does not run, and waits until one of its threads has taken
    /// the task, at most for `timeout` (`None`: no limit).
    ///
    /// # Errors
    /// The worker cannot be started, or has not taken it.
    fn send(
        &self,
        name: &[u8],
        parcel: Parcel,
        timeout: Option<Duration>,
        cutoff: &Cutoff<'_>,
        caller: Option<&[u8]>,
    ) -> Result<Arc<Task>, SendRefused>;
}

/// The work that the owner of a PHP thread defines. One value per thread; called on that thread only.
pub trait Work: Send {
    /// The kind of thread.
    fn mode(&self) -> Mode;

    /// Blocks until there is something to do.
    fn next(&mut self) -> Next;

    /// HTTP worker: blocks until there is a job. `None`: the script should end.
    fn next_job(&mut self) -> Option<Box<dyn Exchange>> {
        None
    }

    /// The response of the current job is complete, and its script continues.
    fn responded(&mut self) {}

    /// The current job has ended.
    fn job_ended(&mut self) {}

    /// The PHP request has ended, and everything it held is released.
    fn ended(&mut self, _ended: Ended) {}

    /// Background worker: the slot that `frankenphp_set_vars()` writes to.
    fn slot(&self) -> Option<&Arc<Slot>> {
        None
    }

    /// Background worker: why a snapshot of this many bytes cannot be published.
    fn refuses(&self, _bytes: usize) -> Option<String> {
        None
    }

    /// Background worker: something was published under this version, or (`None`) published again unchanged.
    fn published(&mut self, _version: Option<u64>) {}

    /// Background worker: a new descriptor that becomes readable (end of file) when the script should end.
    ///
    /// # Errors No descriptor is left.
    fn handle(&mut self) -> std::io::Result<OwnedFd> {
        Err(std::io::Error::other("only a background worker has a handle"))
    }

    /// Whether the running script should end.
    fn should_end(&self) -> bool {
        false
    }

    /// Background worker: the script waits for tasks and for its end.
    ///
    /// # Errors No descriptor is left.
    fn listen(&mut self) -> std::io::Result<()> {
        Err(std::io::Error::other("this script is no background worker"))
    }

    /// Background worker: a new descriptor that is readable while there are tasks, or the script should end.
    ///
    /// # Errors
    /// As for [`listen`](Self::listen), which must have been called.
    fn stream(&mut self) -> std::io::Result<OwnedFd> {
        Err(std::io::Error::other("this script is no background worker"))
    }

    /// Background worker: consumes the wake-up. `false`: the script should end. The first call makes it ready.
    fn tick(&mut self) -> bool {
        false
    }

    /// Background worker: the oldest waiting task.
    fn receive(&mut self) -> Option<Arc<Task>> {
        None
    }

    /// A whole or partial line that the script printed while no response was open.
    fn output(&mut self, _bytes: &[u8]) {}

    /// A message of PHP's log. The level is a syslog number: 3 error, 4 warning, 6 information, 7 debug.
    fn log(&mut self, level: i32, message: &str);
}
