//! The classic threads: each request is a separate PHP request. One group serves every block of the process; the scope
//! comes with the job.

mod config;
mod work;

use crate::exchange::JobSender;
use crate::limits::{QUEUE_JOBS_MIN, QUEUE_JOBS_PER_THREAD};
use crate::php::{Scope, ThreadOptions};
use crate::threads::scale::{self, Load};
use crate::threads::{Identity, JobQueue, ThreadGroup};
pub use config::ClassicConfig;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use work::ClassicWork;

/// The classic threads of the process.
pub struct Classic {
    config: ClassicConfig,
    /// All classic threads take from it, whatever block a request belongs to.
    queue: Arc<JobQueue>,
    thread_group: ThreadGroup,
    /// Threads that are in the loop or about to be.
    threads: AtomicUsize,
}

/// The state of the classic threads, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Threads that have not ended.
    pub threads: usize,
    /// How many more threads may start under load.
    pub reserve: usize,
    /// Threads that wait for a request.
    pub idle: usize,
    /// Requests that wait for a thread.
    pub waiting: usize,
    /// How many may wait.
    pub waiting_max: usize,
}

impl Classic {
    /// Without any thread yet.
    pub fn new(config: ClassicConfig, options: ThreadOptions) -> Arc<Self> {
        let capacity = (config.threads_max * QUEUE_JOBS_PER_THREAD).max(QUEUE_JOBS_MIN);
        Arc::new(Self {
            config,
            queue: JobQueue::new(capacity),
            thread_group: ThreadGroup::new(ThreadOptions { name: "php".into(), ..options }, Identity::default()),
            threads: AtomicUsize::new(0),
        })
    }

    /// Starts the threads; called once.
    ///
    /// # Errors
    /// The system could not start a thread. The started threads run, and the caller must stop them.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        for _ in 0..self.config.threads {
            self.spawn()?;
            self.threads.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    /// How many threads the configuration asks for.
    pub fn config(&self) -> ClassicConfig {
        self.config
    }

    /// The sender for the requests of one block.
    pub fn sender(self: &Arc<Self>, scope: Arc<dyn Scope>) -> Arc<dyn JobSender> {
        let may_grow = self.config.threads_max > self.config.threads;
        let grow: Option<Arc<dyn Fn() + Send + Sync>> = may_grow.then(|| {
            let classic = self.clone();
            Arc::new(move || classic.grow()) as _
        });
        self.queue.sender(scope, grow)
    }

    /// What the threads do now.
    pub fn status(&self) -> Status {
        let threads = self.threads.load(Ordering::Acquire);
        Status {
            threads,
            reserve: self.config.threads_max.saturating_sub(threads),
            idle: self.queue.idle_threads(),
            waiting: self.queue.depth(),
            waiting_max: self.queue.capacity(),
        }
    }

    /// Asks the threads to end when the queue is empty.
    pub fn stop(&self) {
        self.queue.close();
    }

    /// The threads, to be awaited with [`leave`](crate::threads::leave).
    pub fn thread_group(&self) -> &ThreadGroup {
        &self.thread_group
    }

    /// Starts one more thread.
    fn spawn(self: &Arc<Self>) -> io::Result<()> {
        self.thread_group.spawn(|number, activity| Box::new(ClassicWork::new(self.clone(), number, activity)))
    }

    /// Called on the async side after a job was queued.
    fn grow(self: &Arc<Self>) {
        let Status { threads, idle, waiting, .. } = self.status();
        let load = Load { threads, idle, waiting };
        if !scale::grow(load, self.config.threads_max) {
            return;
        }
        // The place is taken first, so that two callers do not both pass the bound.
        if self.threads.fetch_add(1, Ordering::AcqRel) >= self.config.threads_max {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        if let Err(error) = self.spawn() {
            self.threads.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!("one more PHP thread was wanted: {error}");
        }
    }

    /// Starts a thread in the place of the one that calls it. Returns whether it did; if not, the caller stays.
    fn replace(self: &Arc<Self>) -> bool {
        let replaced = self.spawn();
        if let Err(error) = &replaced {
            tracing::warn!("a PHP thread has had its max_requests, and was to be replaced: {error}");
        }
        replaced.is_ok()
    }

    /// Whether a surplus thread may end; if so, subtracts it from the count.
    fn shrink(&self) -> bool {
        let step = |threads| scale::shrink(threads, self.config.threads).then(|| threads - 1);
        self.threads.fetch_update(Ordering::AcqRel, Ordering::Acquire, step).is_ok()
    }
}
