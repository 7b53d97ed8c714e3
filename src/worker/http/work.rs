//! One PHP thread of an HTTP worker: its next run, and the consequences of its end.

use super::{HttpConfig, HttpWorker};
use crate::exchange::Exchange;
use crate::php::{Ended, Mode, Next, Run, Work};
use crate::php::{LineLog, log_php};
use crate::threads::{Activity, Taken};
use crate::worker::environment::{boot_vars, request_vars, script_path};
use crate::worker::messages::{LastFailure, ReadiedBy};
use crate::worker::run_end::{Asked, Follows, Kind, RunEnd, exit_status};
use crate::worker::supervise::Failures;
use crossbeam_channel::{Receiver, TryRecvError, select_biased};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One thread of an HTTP worker.
pub(super) struct HttpWork {
    worker: Arc<HttpWorker>,
    /// Of the thread in its group.
    number: usize,
    activity: Arc<Activity>,
    /// Of this thread's runs in a row.
    failures: Failures,
    /// Before the next run; grows with the failures.
    pause: Duration,
    /// The number of this thread's current or last run, counted from 1.
    run: u64,
    /// Disconnected when this run should end for a restart.
    restart: Receiver<Infallible>,
    /// When the current run started.
    started: Instant,
    /// When this run asked for its first job.
    serving_at: Option<Instant>,
    /// Whether any run has; the boot is over then.
    served: bool,
    /// What the script prints outside of a request goes to the log, line by line.
    output: LineLog,
    /// The script failed too often in its boot: this thread ends.
    given_up: bool,
    /// The request for which the script runs once more although the worker stops.
    late: Option<Box<dyn Exchange>>,
    /// The script was idle when it was asked to end.
    ended_idle: bool,
    /// Requests that this run has taken.
    requests: usize,
    /// It was asked to end because these were enough.
    ended_full: bool,
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
            late: None,
            ended_idle: false,
            requests: 0,
            ended_full: false,
        }
    }

    /// Waits until the script may start; `false` if the worker stops and no further request arrives.
    fn pause(&mut self) -> bool {
        let pause = crossbeam_channel::after(self.pause);
        select_biased! {
            recv(self.worker.stopped) -> _ => self.wait_late(),
            recv(self.restart) -> _ => true,
            recv(pause) -> _ => true,
        }
    }

    /// Waits for a late request while the worker stops; `false` when none will.
    fn wait_late(&mut self) -> bool {
        let never = crossbeam_channel::never();
        if let Taken::Job(exchange, _) = self.worker.queue.take(None, [&never, &never]) {
            self.late = Some(exchange);
        }
        self.late.is_some()
    }

    /// Whether a restart was asked for since the run started.
    fn is_to_restart(&self) -> bool {
        self.restart.try_recv().is_err_and(|error| error == TryRecvError::Disconnected)
    }

    /// The script asks for its first request, so it has booted.
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

    /// The last thread that is given up also refuses the waiting requests.
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
        self.ended_idle = false;
        self.requests = 0;
        self.ended_full = false;
        let HttpConfig { name, file, env, environment, ini, .. } = &self.worker.config;
        tracing::debug!(worker = name, thread = self.number, run = self.run, "worker script started");
        Next::Run(Run {
            script: script_path(file),
            argument: None,
            server_vars: boot_vars(file, name, env),
            request_vars: request_vars(name, "1", env),
            environment: environment.clone(),
            ini: ini.clone(),
            scope: self.worker.scope.clone(),
        })
    }

    fn next_job(&mut self) -> Option<Box<dyn Exchange>> {
        self.note_serving();
        // Checked first, because under load the queue never becomes empty.
        if self.late.is_none() && self.is_to_restart() {
            return None;
        }
        self.ended_full = self.worker.config.requests_max.is_some_and(|max| self.requests >= max);
        if self.ended_full {
            return None;
        }
        self.requests += 1;
        if let Some(exchange) = self.late.take() {
            self.activity.busy(exchange.head());
            return Some(exchange);
        }
        self.activity.idle();
        match self.worker.queue.take(None, [&self.worker.stopped, &self.restart]) {
            Taken::Job(exchange, _) => {
                self.activity.busy(exchange.head());
                Some(exchange)
            }
            Taken::Stop | Taken::Idle => {
                self.ended_idle = !self.is_to_restart();
                None
            }
        }
    }

    fn job_ended(&mut self) {
        self.worker.counters.request(self.activity.running(self.run));
    }

    fn responded(&mut self) {
        self.activity.responded();
    }

    fn ended(&mut self, ended: Ended) {
        let worker = self.worker.clone();
        let (name, thread, run) = (worker.config.name.as_str(), self.number, self.run);
        self.output.flush(|line| tracing::info!(target: "php", worker = name, thread, run, "{line}"));
        let status = exit_status(&ended);
        let asked = match self.is_to_restart() {
            true => Asked::Restart,
            false if self.ended_idle => Asked::Stop,
            false if self.ended_full => Asked::NextRun,
            false => Asked::Nothing,
        };
        // Its request gets the answer of one without a thread.
        self.late = None;
        let end = RunEnd {
            kind: Kind::Http,
            worker: name,
            scope: None,
            thread,
            run,
            asked,
            lasted: self.started.elapsed(),
            ready_for: self.serving_at.map(|at| at.elapsed()),
            failures_max: worker.config.failures_max,
            readied_by: ReadiedBy::HANDLE_REQUEST,
        };
        let follows = end.decide(ended, &mut self.failures, &mut self.pause);
        match &follows {
            Follows::Restart | Follows::NextRun => worker.counters.restart(),
            Follows::Retry(last) | Follows::GiveUp(last) => {
                worker.counters.crash();
                worker.locked().last_failure = Some(last.clone());
            }
            Follows::Stop => {}
        }
        end.record(&follows, self.failures.count(), status, self.pause);
        if let Follows::GiveUp(last) = follows {
            self.give_up(last);
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
