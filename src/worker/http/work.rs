//! One PHP thread of an HTTP worker: what it runs next, and what follows on the end of a run.

use super::{HttpConfig, HttpWorker};
use crate::exchange::Exchange;
use crate::php::{Ended, Mode, Next, Run, Work};
use crate::php::{LineLog, log_php};
use crate::threads::{Activity, Taken};
use crate::worker::environment::{boot_vars, request_vars, script_path};
use crate::worker::messages::{self, LastFailure};
use crate::worker::supervise::{Failures, Next as After, RunEnd};
use crossbeam_channel::{Receiver, TryRecvError, select_biased};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One thread of an HTTP worker.
pub(super) struct HttpWork {
    worker: Arc<HttpWorker>,
    number: usize,
    activity: Arc<Activity>,
    failures: Failures,
    pause: Duration,
    run: u64,
    /// Disconnected when this run should end for a restart.
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
    pub(super) fn new(worker: Arc<HttpWorker>, number: usize, activity: Arc<Activity>) -> Self {
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
