//! The async runtimes: one for everything, and one for each thread of connections. Tokio panics if it needs a thread for
//! blocking work, has none, and cannot start one. So each starts one before PHP takes its threads, and keeps it. If it is the
//! only one, blocking work is done one after the other.

use crate::http::connection_threads::ConnectionThreads;
use crate::limits::{
    BLOCKING_THREAD_IDLE_SECONDS_MAX, BLOCKING_THREAD_USED_EVERY_SECONDS, BLOCKING_THREADS_MAX, BLOCKING_THREADS_MIN,
    CONNECTION_RUNTIMES_MAX, RUNTIME_END_MS_MIN, RUNTIME_END_SECONDS_MAX,
};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::task::spawn_blocking;

/// The runtimes of the server.
pub(super) struct Runtimes {
    /// For everything but what runs on the others.
    pub(super) main: Runtime,
    /// Of one thread each, for connections; empty if there is one processor.
    connections: Vec<Runtime>,
}

impl Runtimes {
    /// Starts the runtimes of the server.
    ///
    /// # Errors
    /// The system could not start a thread, or had no descriptor left.
    pub(super) fn start() -> io::Result<Self> {
        // Tokio reports a failed start of a thread only by panicking; the message goes to the standard error.
        catch_unwind(AssertUnwindSafe(Self::try_start))
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::WouldBlock, "the system has no thread left")))
    }

    fn try_start() -> io::Result<Self> {
        let main = start(Builder::new_multi_thread().max_blocking_threads(BLOCKING_THREADS_MAX))?;
        let processors = main.metrics().num_workers();
        let count = if processors == 1 { 0 } else { processors.min(CONNECTION_RUNTIMES_MAX) };
        let connections = (0..count).map(|_| {
            let blocking_max = (BLOCKING_THREADS_MAX / count).max(BLOCKING_THREADS_MIN);
            start(Builder::new_multi_thread().worker_threads(1).max_blocking_threads(blocking_max))
        });
        Ok(Self { connections: connections.collect::<io::Result<_>>()?, main })
    }

    /// Where listeners run their connections.
    pub(super) fn connection_threads(&self) -> ConnectionThreads {
        ConnectionThreads::new(self.connections.iter().map(|runtime| runtime.handle().clone()))
    }

    /// Ends all threads, and waits for them for a while.
    pub(super) fn shut_down(self) {
        let until = Instant::now() + Duration::from_secs(RUNTIME_END_SECONDS_MAX);
        // Listeners end with the main one, so no connection starts on one that has ended.
        for runtime in std::iter::once(self.main).chain(self.connections) {
            // Idle threads end at once, also if those before them have used up the time.
            let left = until.saturating_duration_since(Instant::now());
            runtime.shutdown_timeout(left.max(Duration::from_millis(RUNTIME_END_MS_MIN)));
        }
    }
}

fn start(builder: &mut Builder) -> io::Result<Runtime> {
    let runtime = builder
        .enable_all()
        .thread_name("igor-async")
        .thread_keep_alive(Duration::from_secs(BLOCKING_THREAD_IDLE_SECONDS_MAX))
        .build()?;
    runtime.block_on(async { spawn_blocking(|| {}).await })?;
    runtime.spawn(keep_a_blocking_thread());
    Ok(runtime)
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
