//! An HTTP worker: a script that is started once and takes many requests by `frankenphp_handle_request()`.
//!
//! A thread is *booting* until its script has asked for its first job, and *serving* from then on. A script that ends
//! while serving is restarted. One that fails in its boot is restarted by the rules of `supervise`, and given up at the
//! cap. With no thread left the queue refuses, and its requests get a 503.

mod config;
mod work;

use super::counters::{HttpCounters, HttpCounts};
use super::messages::{self, LastFailure, ReadiedBy};
use crate::exchange::JobSender;
use crate::limits::{BOOT_SAID_EVERY_SECONDS, QUEUE_JOBS_MIN, QUEUE_JOBS_PER_THREAD};
use crate::php::{Scope, ScriptError, ThreadOptions};
use crate::threads::{Identity, JobQueue, ThreadGroup};
pub use config::HttpConfig;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use work::HttpWork;

/// The interval of log records about a boot that is waited for.
const BOOT_SAID_EVERY: Duration = Duration::from_secs(BOOT_SAID_EVERY_SECONDS);

/// An HTTP worker.
pub struct HttpWorker {
    config: HttpConfig,
    /// The workers that its script sees.
    scope: Arc<dyn Scope>,
    /// The requests that wait for one of its threads.
    queue: Arc<JobQueue>,
    thread_group: ThreadGroup,
    counters: HttpCounters,
    /// Protects the state that `wait_booted` checks.
    boot: Mutex<Boot>,
    /// Notified when `boot` changes.
    changed: Condvar,
    /// Dropped to end the waits of pausing and serving threads; protects the `Option` alone. Then their scripts end,
    /// and run again only for late requests, until the queue is closed.
    stop: Mutex<Option<Sender<Infallible>>>,
    /// Disconnected when `stop` is dropped.
    stopped: Receiver<Infallible>,
    /// Ends the runs that started under it; a restart replaces it. Protects the pair alone.
    restart: Mutex<RestartSignal>,
}

/// A sender that is dropped as the signal, and its other end.
struct RestartSignal {
    /// Only dropped: nothing is ever sent.
    _sender: Sender<Infallible>,
    receiver: Receiver<Infallible>,
}

impl RestartSignal {
    fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self { _sender: sender, receiver }
    }
}

/// The boots of the threads.
#[derive(Default)]
struct Boot {
    /// Threads that were started and not given up.
    live: usize,
    /// Those of them whose script has asked for a request.
    served: usize,
    /// It is asked to stop, so no boot is waited for.
    stopping: bool,
    /// The number of failures and the last of them, of a thread that was given up.
    failure: Option<(u32, LastFailure)>,
    /// The last run that failed, in its boot or in a request.
    last_failure: Option<LastFailure>,
}

/// The state of an HTTP worker, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Threads that have not given up.
    pub threads: usize,
    /// Threads whose script has come to its first `frankenphp_handle_request()`.
    pub ready: usize,
    /// Threads that wait for a request.
    pub idle: usize,
    /// Requests that wait for a thread.
    pub waiting: usize,
    /// Exit status of the last failed run.
    pub last_exit: Option<i32>,
    /// The PHP error that ended it.
    pub last_error: Option<ScriptError>,
    /// What has been counted.
    pub counters: HttpCounts,
}

impl HttpWorker {
    /// A worker without any thread yet. `label` is that of the scope which declares it.
    pub fn new(config: HttpConfig, label: &str, scope: Arc<dyn Scope>, options: &ThreadOptions) -> Arc<Self> {
        let (stop, stopped) = bounded(0);
        let identity = Identity {
            worker: Some(config.name.clone()),
            scope: Some(label.to_owned()),
            script: Some(config.file.clone()),
        };
        let name = format!("http-{}", config.name.rsplit('/').next().unwrap_or_default());
        Arc::new(Self {
            queue: JobQueue::new((config.threads * QUEUE_JOBS_PER_THREAD).max(QUEUE_JOBS_MIN)),
            thread_group: ThreadGroup::new(ThreadOptions { name, ..options.clone() }, identity),
            counters: HttpCounters::default(),
            scope,
            config,
            boot: Mutex::default(),
            changed: Condvar::new(),
            stop: Mutex::new(Some(stop)),
            stopped,
            restart: Mutex::new(RestartSignal::new()),
        })
    }

    /// Starts the missing threads, which boot on their own.
    ///
    /// # Errors
    /// The system could not start a thread. The started threads run, and the caller must stop them.
    pub fn start(self: &Arc<Self>) -> io::Result<()> {
        loop {
            {
                let mut boot = self.locked();
                if boot.live >= self.config.threads {
                    return Ok(());
                }
                boot.live += 1;
            }
            if let Err(error) =
                self.thread_group.spawn(|number, activity| Box::new(HttpWork::new(self.clone(), number, activity)))
            {
                self.locked().live -= 1;
                return Err(error);
            }
        }
    }

    /// Restarts the script of every thread after its current request; requests wait in the queue meanwhile.
    /// Threads that were given up are started again. The caller interrupts scripts that do not end, see
    /// [`end_runs`](crate::threads::end_runs).
    ///
    /// # Errors
    /// The system could not start a thread for one that was given up.
    pub fn restart(self: &Arc<Self>) -> io::Result<()> {
        self.end_runs();
        let started = self.start();
        let boot = self.locked();
        if boot.live > 0 {
            self.queue.reopen();
        }
        started
    }

    /// Ends the current runs after their current requests, and starts no thread. A run follows, unless the worker
    /// stops.
    pub fn end_runs(&self) {
        *self.restart.lock().unwrap_or_else(PoisonError::into_inner) = RestartSignal::new();
    }

    /// The signal of the next restart, for a run that starts now.
    fn restart_signal(&self) -> Receiver<Infallible> {
        self.restart.lock().unwrap_or_else(PoisonError::into_inner).receiver.clone()
    }

    /// Its config.
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    /// Its state, for operators.
    pub fn status(&self) -> Status {
        let boot = self.locked();
        Status {
            threads: boot.live,
            ready: boot.served,
            idle: self.queue.idle_threads(),
            waiting: self.queue.depth(),
            last_exit: boot.last_failure.as_ref().map(|last| last.exit_status),
            last_error: boot.last_failure.as_ref().and_then(|last| last.error.clone()),
            counters: self.counters.counts(),
        }
    }

    /// Where the block sends requests.
    pub fn sender(&self) -> Arc<dyn JobSender> {
        self.queue.sender(self.scope.clone(), None)
    }

    /// Waits until every thread has asked for its first job or given up, and logs the wait regularly.
    /// Blocks.
    ///
    /// # Errors No thread is left, or the worker is asked to stop; with the reason.
    pub fn wait_booted(&self) -> Result<(), String> {
        let started = Instant::now();
        let mut said = started;
        let mut boot = self.locked();
        while boot.served < boot.live {
            if boot.stopping {
                return Err(format!("worker \"{}\" was stopped while its script booted", self.config.name));
            }
            let silent = said.elapsed();
            if silent >= BOOT_SAID_EVERY {
                said = Instant::now();
                tracing::warn!(
                    worker = self.config.name,
                    script = %self.config.file.display(),
                    ready = boot.served,
                    threads = boot.live,
                    waited_s = started.elapsed().as_secs(),
                    "the worker's script has not come to frankenphp_handle_request() yet; it is waited for"
                );
                continue;
            }
            let waited = self.changed.wait_timeout(boot, BOOT_SAID_EVERY - silent);
            boot = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        match &boot.failure {
            Some((attempts, last)) if boot.live == 0 => Err(format!(
                "worker \"{}\" ({}) cannot be started: {}",
                self.config.name,
                self.config.file.display(),
                messages::failed(*attempts, last, ReadiedBy::HANDLE_REQUEST)
            )),
            _ => Ok(()),
        }
    }

    /// Asks the idle scripts to end, and the others after their current request. Those that are idle now
    /// always get `idle_time` for it. A late request is still served: a script runs once more for it.
    pub fn end_idle(&self, idle_time: Duration) {
        self.thread_group.spare_idle(idle_time);
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Asks the scripts to end after their request, and refuses new requests. Scripts without a request always get
    /// `idle_time` for it.
    pub fn stop(&self, idle_time: Duration) {
        // First prevent a restart of the script, then end it. Queued jobs are still taken.
        self.end_idle(idle_time);
        self.queue.close();
        self.locked().stopping = true;
        self.changed.notify_all();
    }

    /// The threads, to be awaited with [`leave`](crate::threads::leave).
    pub fn thread_group(&self) -> &ThreadGroup {
        &self.thread_group
    }

    /// Every change under the lock is a plain store, so the lock's poison is ignored.
    fn locked(&self) -> MutexGuard<'_, Boot> {
        self.boot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
