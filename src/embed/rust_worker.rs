//! Background workers that are written in Rust, on the program's own tokio runtime.

use super::values::{Unpublishable, to_array};
use crate::php::ScriptError;
use crate::worker::background::{NativeCode, NativeRun, PublishRefused, Publisher};
use serde::Serialize;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use tokio::io::AsyncReadExt;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// What ends a run as a failure.
pub type WorkerFailure = Box<dyn Error + Send + Sync>;

type Run = Pin<Box<dyn Future<Output = Result<(), WorkerFailure>> + Send>>;

/// Why a value was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// PHP has no type for it.
    #[error("{0}")]
    Unpublishable(#[from] Unpublishable),
    /// It breaks a limit, or the run has ended.
    #[error(transparent)]
    Refused(#[from] PublishRefused),
}

/// One run of a background worker in Rust. Clones are handles of the same run.
#[derive(Clone)]
pub struct RustWorker {
    name: String,
    run: u64,
    publisher: Publisher,
    should_end: watch::Receiver<bool>,
}

impl RustWorker {
    /// Publishes a value: a struct, a map or a sequence. PHP gets it as an array. The first publish makes the worker
    /// ready. A value that equals the published one costs no new version. Returns the newest version.
    ///
    /// # Errors The value cannot be published; the published one stays.
    pub fn publish<T: Serialize + ?Sized>(&self, value: &T) -> Result<u64, PublishError> {
        let array = to_array(value)?;
        Ok(self.publisher.publish(&array)?)
    }

    /// Waits until the run should end: a stop, or a restart. The run then returns within the grace period.
    pub async fn ending(&self) {
        let mut should_end = self.should_end.clone();
        // Its sender goes only with the run.
        let _ = should_end.wait_for(|should_end| *should_end).await;
    }

    /// Whether the run should end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        *self.should_end.borrow()
    }

    /// The worker's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts the runs of the worker, from 1.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.run
    }
}

impl fmt::Debug for RustWorker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RustWorker").field("name", &self.name).field("run", &self.run).finish_non_exhaustive()
    }
}

/// The code of a worker, and where it runs.
pub(super) struct RustCode {
    name: String,
    runtime: Handle,
    make: Box<dyn Fn(RustWorker) -> Run + Send + Sync>,
}

impl RustCode {
    pub(super) fn new<F, R>(name: &str, runtime: Handle, make: F) -> Self
    where
        F: Fn(RustWorker) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), WorkerFailure>> + Send + 'static,
    {
        Self { name: name.to_owned(), runtime, make: Box::new(move |worker| Box::pin(make(worker))) }
    }
}

impl NativeCode for RustCode {
    fn start(&self, mut run: NativeRun) -> Box<dyn FnOnce() + Send> {
        let (end, should_end) = watch::channel(false);
        let worker =
            RustWorker { name: self.name.clone(), run: run.number, publisher: run.publisher.clone(), should_end };
        let entered = self.runtime.enter();
        // The function of the program may panic before there is a future.
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| (self.make)(worker)));
        drop(entered);
        let Ok(future) = made else {
            run.finish(Err(failure("Panic", "the worker's function panicked")));
            return Box::new(|| {});
        };
        let handle = run.take_handle();
        let watching = self.runtime.spawn(async move {
            await_end(handle).await;
            let _ = end.send(true);
            // The receivers wait for the value, not for the end of this task.
            end.closed().await;
        });
        let running = self.runtime.spawn(future);
        let abort = running.abort_handle();
        self.runtime.spawn(async move {
            let result = running.await;
            watching.abort();
            run.finish(match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(failure("Error", &error.to_string())),
                Err(error) if error.is_panic() => Err(failure("Panic", &panic_message(error.into_panic().as_ref()))),
                Err(_) => Err(failure("Error", "the run did not end within the grace period")),
            });
        });
        Box::new(move || abort.abort())
    }
}

/// Returns when the handle reaches its end.
async fn await_end(handle: Option<OwnedFd>) {
    let stream = handle.map(UnixStream::from).and_then(|stream| {
        stream.set_nonblocking(true).ok()?;
        tokio::net::UnixStream::from_std(stream).ok()
    });
    match stream {
        Some(mut stream) => {
            let _ = stream.read(&mut [0; 1]).await;
        }
        // The run is ended by an abort then.
        None => std::future::pending().await,
    }
}

fn failure(level: &'static str, message: &str) -> ScriptError {
    ScriptError { level, message: message.to_owned(), ..ScriptError::default() }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic").to_owned()
}
