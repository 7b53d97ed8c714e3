//! The async runtime. Tokio panics if it needs a thread for blocking work, has none, and cannot start one. So one is
//! started before PHP takes its threads, and kept. If it is the only one, blocking work is done one after the other.

use crate::limits::{BLOCKING_THREAD_IDLE_SECONDS_MAX, BLOCKING_THREAD_USED_EVERY_SECONDS};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

/// Starts the runtime of the server.
///
/// # Errors
/// The system could not start a thread, or had no descriptor left.
pub(super) fn start() -> io::Result<Runtime> {
    let make = || {
        let runtime = Builder::new_multi_thread()
            .enable_all()
            .thread_name("igor-async")
            .thread_keep_alive(Duration::from_secs(BLOCKING_THREAD_IDLE_SECONDS_MAX))
            .build()?;
        runtime.block_on(async { spawn_blocking(|| {}).await })?;
        runtime.spawn(keep_a_blocking_thread());
        Ok(runtime)
    };
    // Tokio reports a failed start of a thread only by panicking; the message goes to the standard error.
    catch_unwind(AssertUnwindSafe(make))
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::WouldBlock, "the system has no thread left")))
}

/// Uses a thread for blocking work regularly, so that the last one is never idle long enough to end.
async fn keep_a_blocking_thread() {
    let mut again = tokio::time::interval(Duration::from_secs(BLOCKING_THREAD_USED_EVERY_SECONDS));
    loop {
        again.tick().await;
        // A task of its own: should it panic, because the process was stopped for minutes, the next one tries again.
        tokio::spawn(async { spawn_blocking(|| {}).await });
    }
}
