//! HTTP workers: a script that is started once and takes many requests by `frankenphp_handle_request()`.
//!
//! A thread is *booting* until its script has asked for its first job, and *serving* from then on. A script that ends
//! while serving is restarted; one that fails in its boot is tried again by the rules of `supervise`, and given up at the
//! cap: with no thread left the queue refuses, and its requests get a 503.

use super::counters::{HttpCounters, HttpCounts};
use super::environment::{boot_vars, request_vars, script_path};
use super::messages::{self, LastFailure};
use super::supervise::{Failures, Next as After, RunEnd};
use crate::exchange::{Exchange, JobSender};
use crate::limits::{BOOT_SAID_EVERY_SECONDS, QUEUE_JOBS_MIN, QUEUE_JOBS_PER_THREAD};
use crate::php::{Ended, Mode, Next, Run, Scope, ScriptError, ThreadOptions, Work};
use crate::php::{LineLog, log_php};
use crate::threads::{Activity, Identity, JobQueue, Taken, ThreadGroup};
use crossbeam_channel::{Receiver, Sender, TryRecvError, bounded, select_biased};
use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the log says that a boot is waited for.
const BOOT_SAID_EVERY: Duration = Duration::from_secs(BOOT_SAID_EVERY_SECONDS);

/// What a block declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The name in logs and metrics.
    pub name: String,
    /// The script: absolute.
    pub file: PathBuf,
    /// The same without symbolic links: another one is another declaration.
    pub resolved: PathBuf,
    /// Threads.
    pub threads: usize,
    /// Failed boots in a row after which a thread gives up; `None`: never.
    pub failures_max: Option<u32>,
    /// The script's environment.
    pub env: Vec<(String, String)>,
}

/// An HTTP worker.
pub struct HttpWorker {
    config: HttpConfig,
    scope: Arc<dyn Scope>,
    queue: Arc<JobQueue>,
    thread_group: ThreadGroup,
    counters: HttpCounters,
    /// Protects what `wait_booted` looks at.
    boot: Mutex<Boot>,
    changed: Condvar,
    /// Dropped to end the waits of pausing and serving threads; protects the `Option` alone.
    stop: Mutex<Option<Sender<Infallible>>>,
    stopped: Receiver<Infallible>,
    /// Ends the runs that began under it; a restart puts a new one in its place. Protects the pair alone.
    restart: Mutex<RestartSignal>,
}

/// A sender that is dropped as the signal, and its other end.
struct RestartSignal {
    _sender: Sender<Infallible>,
    receiver: Receiver<Infallible>,
}

impl RestartSignal {
    fn new() -> Self {
        let (sender, receiver) = bounded(0);
        Self { _sender: sender, receiver }
    }
}

#[derive(Default)]
struct Boot {
    live: usize,
    served: usize,
    stopping: bool,
    failure: Option<(u32, LastFailure)>,
    /// The last run that failed, in its boot or in a request.
    last_failure: Option<LastFailure>,
}

/// What is to be seen of an HTTP worker from outside.
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
    pub fn new(declaration: HttpConfig, label: &str, scope: Arc<dyn Scope>, options: &ThreadOptions) -> Arc<Self> {
        let (stop, stopped) = bounded(0);
        let identity = Identity {
            worker: Some(declaration.name.clone()),
            scope: Some(label.to_owned()),
            script: Some(declaration.file.clone()),
        };
        let name = format!("http-{}", declaration.name.rsplit('/').next().unwrap_or_default());
        Arc::new(Self {
            queue: JobQueue::new((declaration.threads * QUEUE_JOBS_PER_THREAD).max(QUEUE_JOBS_MIN)),
            thread_group: ThreadGroup::new(ThreadOptions { name, ..options.clone() }, identity),
            counters: HttpCounters::default(),
            scope,
            config: declaration,
            boot: Mutex::default(),
            changed: Condvar::new(),
            stop: Mutex::new(Some(stop)),
            stopped,
            restart: Mutex::new(RestartSignal::new()),
        })
    }

    /// Starts the threads that the declaration asks for and that are not there; they boot on their own.
    ///
    /// # Errors
    /// The system could not start a thread. Those that it started run, and the caller must stop them.
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

    /// Restarts the script of every thread after the request in hand; requests wait in the queue meanwhile.
    /// Threads that were given up are started again. A script that does not end is for the caller to interrupt, see
    /// [`end_runs`](crate::threads::end_runs).
    ///
    /// # Errors
    /// The system could not start a thread for one that was given up.
    pub fn restart(self: &Arc<Self>) -> io::Result<()> {
        *self.restart.lock().unwrap_or_else(PoisonError::into_inner) = RestartSignal::new();
        let started = self.start();
        let boot = self.locked();
        if boot.live > 0 {
            self.queue.reopen();
        }
        started
    }

    fn restart_signal(&self) -> Receiver<Infallible> {
        self.restart.lock().unwrap_or_else(PoisonError::into_inner).receiver.clone()
    }

    /// Its declaration.
    pub fn config(&self) -> &HttpConfig {
        &self.config
    }

    /// What is to be seen of it.
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

    /// Waits until every thread has asked for its first job or given up, and says from time to time that it does. Blocks.
    ///
    /// # Errors
    /// No thread is left, or the worker is asked to stop; says why.
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
                messages::boot_failed_of_http(*attempts, last)
            )),
            _ => Ok(()),
        }
    }

    /// Asks the scripts to end after the request in hand. Those that have none get `idle_time` for it in any case.
    pub fn stop(&self, idle_time: Duration) {
        self.thread_group.spare_idle(idle_time);
        // First what keeps an ended script from being started again, then what ends it. Queued jobs are still taken.
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.queue.close();
        self.locked().stopping = true;
        self.changed.notify_all();
    }

    /// The threads, to be awaited with [`leave`](crate::threads::leave).
    pub fn thread_group(&self) -> &ThreadGroup {
        &self.thread_group
    }

    fn locked(&self) -> MutexGuard<'_, Boot> {
        self.boot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct HttpWork {
    worker: Arc<HttpWorker>,
    number: usize,
    activity: Arc<Activity>,
    failures: Failures,
    pause: Duration,
    run: u64,
    /// Disconnected when this run is to end for a restart.
    restart: Receiver<Infallible>,
    started: Instant,
    /// When this run asked for its first job.
    serving_at: Option<Instant>,
    /// Whether any run has; the boot is over then.
    served: bool,
    output: LineLog,
    given_up: bool,
}

impl HttpWork {
    fn new(worker: Arc<HttpWorker>, number: usize, activity: Arc<Activity>) -> Self {
        Self {
            restart: worker.restart_signal(),
            worker,
            number,
            activity,
            failures: Failures::default(),
            pause: Duration::ZERO,
            run: 0,
            started: Instant::now(),
            serving_at: None,
            served: false,
            output: LineLog::default(),
            given_up: false,
        }
    }

    /// Waits until the script may start; `false` when the worker stops.
    fn pause(&self) -> bool {
        let pause = crossbeam_channel::after(self.pause);
        select_biased! {
            recv(self.worker.stopped) -> _ => false,
            recv(self.restart) -> _ => true,
            recv(pause) -> _ => true,
        }
    }

    fn is_to_restart(&self) -> bool {
        self.restart.try_recv().is_err_and(|error| error == TryRecvError::Disconnected)
    }

    fn note_serving(&mut self) {
        if self.serving_at.is_some() {
            return;
        }
        self.serving_at = Some(Instant::now());
        if !std::mem::replace(&mut self.served, true) {
            self.worker.locked().served += 1;
            self.worker.changed.notify_all();
        }
        let name = &self.worker.config.name;
        tracing::info!(worker = name, thread = self.number, run = self.run, "worker script ready");
    }

    fn give_up(&mut self, last: LastFailure) {
        self.given_up = true;
        let attempts = self.failures.count();
        let mut boot = self.worker.locked();
        boot.live -= 1;
        if self.served {
            boot.served -= 1;
        }
        boot.failure = Some((attempts, last));
        // Under the lock, so that a restart, which starts threads and then opens the queue, comes before or after both.
        let refused = (boot.live == 0).then(|| self.worker.queue.refuse());
        drop(boot);
        drop(refused);
        self.worker.changed.notify_all();
    }
}

impl Work for HttpWork {
    fn mode(&self) -> Mode {
        Mode::HttpWorker
    }

    fn next(&mut self) -> Next {
        self.activity.pausing();
        if self.given_up || !self.pause() {
            return Next::Stop;
        }
        if self.is_to_restart() {
            self.failures = Failures::default();
        }
        self.restart = self.worker.restart_signal();
        self.run += 1;
        self.activity.running(self.run);
        self.started = Instant::now();
        self.serving_at = None;
        let HttpConfig { name, file, env, .. } = &self.worker.config;
        tracing::debug!(worker = name, thread = self.number, run = self.run, "worker script started");
        Next::Run(Run {
            script: script_path(file),
            argument: None,
            server_vars: boot_vars(file, name, env),
            request_vars: request_vars(name, "1", env),
            scope: self.worker.scope.clone(),
        })
    }

    fn next_job(&mut self) -> Option<Box<dyn Exchange>> {
        self.note_serving();
        // Looked at first: under load the queue never runs empty.
        if self.is_to_restart() {
            return None;
        }
        self.activity.idle();
        match self.worker.queue.take(None, [&self.worker.stopped, &self.restart]) {
            Taken::Job(exchange, _) => {
                self.activity.busy(exchange.head());
                Some(exchange)
            }
            Taken::Stop | Taken::Idle => None,
        }
    }

    fn job_ended(&mut self) {
        self.worker.counters.request(self.activity.running(self.run));
    }

    fn ended(&mut self, ended: Ended) {
        let name = self.worker.config.name.clone();
        let (thread, run) = (self.number, self.run);
        self.output.flush(|line| tracing::info!(target: "php", worker = name, thread, run, "{line}"));
        if self.is_to_restart() {
            self.pause = Duration::ZERO;
            self.worker.counters.restart();
            tracing::info!(
                worker = name,
                thread,
                run,
                exit_status = ended.exit_status,
                "worker script ended for a restart"
            );
            return;
        }
        let end = RunEnd {
            success: ended.exit_status == 0 && !ended.failed,
            ready_for: self.serving_at.map(|at| at.elapsed()),
            lasted: self.started.elapsed(),
        };
        // A request that failed must not take the worker down: only failed boots count.
        let cap = if self.serving_at.is_some() { None } else { self.worker.config.failures_max };
        let decision = self.failures.decide(end, cap);
        let exit_status = if ended.failed && ended.exit_status == 0 { 255 } else { ended.exit_status };
        let last = LastFailure { exit_status, error: ended.error };
        if !matches!(decision, After::Restart { .. }) {
            self.worker.counters.crash();
            self.worker.locked().last_failure = Some(last.clone());
        }
        match decision {
            After::Restart { pause } => {
                self.pause = pause;
                self.worker.counters.restart();
                tracing::debug!(worker = name, thread, run, "worker script ended, restarting it");
            }
            After::Retry { .. } if self.serving_at.is_some() => {
                self.failures = Failures::default();
                self.pause = Duration::ZERO;
                tracing::warn!(
                    worker = name,
                    thread,
                    run,
                    exit_status,
                    "worker script failed in a request, restarting it"
                );
            }
            After::Retry { pause } => {
                self.pause = pause;
                let attempt = self.failures.count();
                tracing::warn!(
                    worker = name,
                    thread,
                    run,
                    attempt,
                    exit_status,
                    pause_ms = pause.as_millis() as u64,
                    "worker script failed to boot, trying again: {}",
                    messages::boot_failed_of_http(attempt, &last)
                );
            }
            After::GiveUp => {
                let attempt = self.failures.count();
                tracing::error!(
                    worker = name,
                    thread,
                    run,
                    attempt,
                    exit_status,
                    "worker script given up: {}",
                    messages::boot_failed_of_http(attempt, &last)
                );
                self.give_up(last);
            }
        }
    }

    fn output(&mut self, bytes: &[u8]) {
        let (worker, thread, run) = (&self.worker.config.name, self.number, self.run);
        self.output.push(bytes, |line| tracing::info!(target: "php", worker, thread, run, "{line}"));
    }

    fn log(&mut self, level: i32, message: &str) {
        let (worker, thread) = (&self.worker.config.name, self.number);
        log_php!(level, message, worker, thread);
    }
}
