//! A group of PHP threads that is started, interrupted and joined together.

use super::activity::{Activity, ActivityStatus, Overdue, ThreadState};
use super::latency::Latency;
use crate::php::{Deadline, Interrupt, KillReason, Step, ThreadOptions, Work, spawn};
use crate::signals::SignalMask;
use crate::vars::Limits;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a leaving group is checked. Short compared with any grace period, long compared with the cost of a check.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A group of PHP threads of one kind.
pub struct ThreadGroup {
    /// Of every thread; the name is completed by a number.
    options: ThreadOptions,
    shared: Arc<Shared>,
    /// The number of the next thread. Numbers are not reused, so that a log names one thread only.
    numbers: AtomicUsize,
    /// Protects the list; threads are joined after it is released.
    members: Mutex<Vec<Joinable>>,
}

/// Shared by a group and each of its threads.
#[derive(Default)]
struct Shared {
    /// What the threads run, for the log and the admin interface.
    identity: Identity,
    /// Interrupted runs, counted once each. A group that succeeds another shares its counter.
    kills: Arc<AtomicU64>,
    /// Requests that were slow by the limits of their blocks.
    slow: AtomicU64,
}

/// The worker of the threads, for logs and operators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The worker; `None`: classic threads.
    pub worker: Option<String>,
    /// The label of the scope that declares it.
    pub scope: Option<String>,
    /// Its script.
    pub script: Option<PathBuf>,
}

/// A thread and the handle that waits for its end.
struct Joinable {
    thread: Arc<GroupThread>,
    handle: JoinHandle<()>,
}

/// One thread, for operators and for ending its scripts.
struct GroupThread {
    /// For the identity and the counter.
    thread_group: Arc<Shared>,
    /// Unique in the group.
    number: usize,
    /// The group's name and the number, as debuggers show it.
    name: String,
    /// Written by the thread, read by observers.
    activity: Arc<Activity>,
    /// Ends the thread's script.
    interrupt: Arc<Interrupt>,
    /// The run that was last interrupted; 0: none. A run is interrupted repeatedly, but counted once.
    killed: AtomicU64,
    /// A thread that was idle when asked to end is not interrupted before this time. Protects the value alone.
    spared: Mutex<Option<Instant>>,
}

/// A thread's state for observers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadStatus {
    /// Its name, as debuggers show it.
    pub name: String,
    /// What it does.
    pub activity: ActivityStatus,
    /// Where its script was a moment ago, as `file:line`, if it passed by a loop or a call since it was asked.
    pub place: Option<String>,
}

impl GroupThread {
    /// Interrupts the script of this run.
    fn kill(&self, generation: u64) {
        if self.interrupt.kill(generation, KillReason::Grace)
            && self.killed.swap(generation, Ordering::Relaxed) != generation
        {
            self.thread_group.kills.fetch_add(1, Ordering::Relaxed);
            self.log_kill();
        }
    }

    /// What it does, and where its script was when it was last asked; asks again.
    fn status(&self) -> ThreadStatus {
        let activity = self.activity.status();
        let is_script = matches!(activity.state, ThreadState::Busy | ThreadState::Running);
        let place = if is_script { self.interrupt.look(activity.since) } else { None };
        ThreadStatus { name: self.name.clone(), activity, place }
    }

    /// Until when it is not interrupted.
    fn spared(&self) -> Option<Instant> {
        *self.spared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the script was is in the record of the fatal error that the interruption becomes.
    fn log_kill(&self) {
        let Identity { worker, scope, script } = &self.thread_group.identity;
        let status = self.activity.status();
        tracing::warn!(
            worker = worker.as_deref(),
            scope = scope.as_deref(),
            thread = self.number,
            run = (status.run > 0).then_some(status.run),
            name = self.name,
            script = script.as_ref().map(|script| tracing::field::display(script.display())),
            uri = (!status.uri.is_empty()).then_some(status.uri),
            "interrupting a script that did not end in its grace period"
        );
    }

    /// Asks a request that takes too long for a backtrace, or ends it.
    fn check_overdue(&self) {
        // First, so that an overdue request belongs to this run or to an earlier one.
        let Some(generation) = self.interrupt.generation() else { return };
        let mut found = None;
        self.activity.check_overdue(|overdue| match overdue {
            Overdue::Slow { trace_depth } => {
                self.interrupt.trace(generation, trace_depth);
                found = Some(overdue);
            }
            Overdue::Ended => {
                let is_first = self.interrupt.kill(generation, KillReason::Overdue)
                    && self.killed.swap(generation, Ordering::Relaxed) != generation;
                found = is_first.then_some(overdue);
            }
        });
        match found {
            Some(Overdue::Slow { .. }) => {
                self.thread_group.slow.fetch_add(1, Ordering::Relaxed);
                self.log_overdue("slow request: it has run longer than request_slowlog_timeout");
            }
            Some(Overdue::Ended) => {
                self.thread_group.kills.fetch_add(1, Ordering::Relaxed);
                self.log_overdue("ending a request that has run longer than request_terminate_timeout");
            }
            None => {}
        }
    }

    fn log_overdue(&self, message: &str) {
        let ActivityStatus { method, uri, since, .. } = self.activity.status();
        let worker = self.thread_group.identity.worker.as_deref();
        let seconds = since.as_secs_f64();
        tracing::warn!(worker, thread = self.number, name = self.name, method, uri, seconds, "{message}");
    }

    /// The thread and the place of its script, for a log.
    fn stuck(&self) -> Stuck {
        Stuck { thread: self.name.clone(), place: self.interrupt.place() }
    }
}

/// A thread that could not be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The thread's name, which names the worker.
    pub thread: String,
    /// The script and line where it hangs, if known.
    pub place: Option<String>,
}

/// Waits until every thread of all groups has ended: on its own until `grace`, then interrupted repeatedly, at most for
/// `kill`. Those that [`ThreadGroup::spare_idle`] has spared are interrupted later. Returns the remaining threads.
/// Blocks.
pub fn leave(thread_groups: &[&ThreadGroup], grace: Instant, kill: Duration) -> Vec<Stuck> {
    let mut deadline = Deadline::asked_at(Instant::now(), grace, kill);
    loop {
        if thread_groups.iter().all(|group| group.alive() == 0) {
            thread_groups.iter().for_each(|group| group.join());
            return Vec::new();
        }
        match deadline.step() {
            Step::GiveUp => return thread_groups.iter().flat_map(|group| group.stuck()).collect(),
            Step::Interrupt => thread_groups.iter().for_each(|group| group.interrupt()),
            Step::Wait(_) => thread_groups.iter().for_each(|group| group.remind()),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Scripts that ran at one moment.
#[derive(Default)]
pub struct Runs(Vec<OneRun>);

/// A thread, and the run that it was in.
struct OneRun {
    thread: Arc<GroupThread>,
    /// Of the interrupt: another number means that the run has ended.
    generation: u64,
}

impl Joinable {
    /// The run of its script, if one runs.
    fn run(&self) -> Option<OneRun> {
        let thread = self.thread.clone();
        Some(OneRun { generation: thread.interrupt.generation()?, thread })
    }
}

impl OneRun {
    /// Whether the same run is still there.
    fn goes_on(&self) -> bool {
        self.thread.interrupt.generation() == Some(self.generation)
    }
}

/// Waits until these runs have ended: on their own until `grace`, then interrupted repeatedly, at most for `kill`.
/// Later runs on the same threads are not interrupted. Returns the threads whose scripts still run. Blocks.
pub fn end_runs(runs: Runs, grace: Instant, kill: Duration) -> Vec<Stuck> {
    let mut runs = runs.0;
    let mut deadline = Deadline::new(grace, kill);
    loop {
        runs.retain(OneRun::goes_on);
        if runs.is_empty() {
            return Vec::new();
        }
        match deadline.step() {
            Step::GiveUp => return runs.iter().map(|run| run.thread.stuck()).collect(),
            Step::Interrupt => runs.iter().for_each(|run| run.thread.kill(run.generation)),
            Step::Wait(_) => runs.iter().for_each(|run| run.thread.interrupt.remind()),
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

impl ThreadGroup {
    /// An empty group. Its threads are named after `options.name` with a number.
    pub fn new(options: ThreadOptions, identity: Identity) -> Self {
        Self::with(options, Shared { identity, ..Shared::default() })
    }

    /// An empty group that shares this group's counter of interrupted runs.
    pub fn succeed(&self, options: ThreadOptions, identity: Identity) -> Self {
        Self::with(options, Shared { identity, kills: self.shared.kills.clone(), slow: AtomicU64::new(0) })
    }

    /// The group has no thread yet.
    fn with(options: ThreadOptions, shared: Shared) -> Self {
        Self { options, shared: Arc::new(shared), numbers: AtomicUsize::new(0), members: Mutex::new(Vec::new()) }
    }

    /// Starts a thread. `make` gets the thread's number, counted from 0 and never reused, and its activity.
    ///
    /// # Errors
    /// The system could not start a thread.
    pub fn spawn(&self, make: impl FnOnce(usize, Arc<Activity>) -> Box<dyn Work>) -> io::Result<()> {
        self.add(|number, activity, interrupt, options| spawn(options, make(number, activity), interrupt))
    }

    /// Starts a thread of the group that runs no PHP: `make` makes what it runs, and gets besides what ends a run, and
    /// the bounds of what it may publish.
    ///
    /// # Errors
    /// The system could not start a thread.
    pub fn spawn_without_php(
        &self,
        make: impl FnOnce(usize, Arc<Activity>, Arc<Interrupt>, Limits) -> Box<dyn FnOnce() + Send>,
    ) -> io::Result<()> {
        self.add(|number, activity, interrupt, options| {
            let run = make(number, activity, interrupt, options.limits);
            // It starts with the mask of its creator. A handler that a script installs must not run on it.
            let mask = SignalMask::block_all();
            let started = std::thread::Builder::new().name(options.name).spawn(run);
            mask.apply();
            started
        })
    }

    fn add(
        &self,
        start: impl FnOnce(usize, Arc<Activity>, Arc<Interrupt>, ThreadOptions) -> io::Result<JoinHandle<()>>,
    ) -> io::Result<()> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity::default());
        let name = format!("{}-{number}", self.options.name);
        let options = ThreadOptions { name: name.clone(), ..self.options.clone() };
        let interrupt = Arc::new(Interrupt::default());
        let handle = start(number, activity.clone(), interrupt.clone(), options)?;
        let killed = AtomicU64::new(0);
        let thread = Arc::new(GroupThread {
            thread_group: self.shared.clone(),
            number,
            name,
            activity,
            interrupt,
            killed,
            spared: Mutex::default(),
        });
        let mut members = self.members();
        // Threads that ended on their own are removed here, so the list is not longer than the group.
        members.retain(|member| !member.handle.is_finished());
        members.push(Joinable { thread, handle });
        Ok(())
    }

    /// How many threads have not ended.
    pub fn alive(&self) -> usize {
        self.members().iter().filter(|member| !member.handle.is_finished()).count()
    }

    /// Adds the scripts that run now.
    pub fn runs(&self, into: &mut Runs) {
        into.0.extend(self.members().iter().filter_map(Joinable::run));
    }

    /// Whose threads they are.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// The threads that have not ended.
    pub fn threads(&self) -> Vec<ThreadStatus> {
        let members = self.members();
        let alive = members.iter().filter(|member| !member.handle.is_finished()).map(|member| &member.thread);
        alive.map(|thread| thread.status()).collect()
    }

    /// How long the requests of the threads took.
    pub fn latencies(&self) -> Vec<Latency> {
        self.members().iter().map(|member| member.thread.activity.status().latency).collect()
    }

    /// The number of interrupted runs.
    pub fn kills(&self) -> u64 {
        self.shared.kills.load(Ordering::Relaxed)
    }

    /// How many requests were slow, by the limits of their blocks.
    pub fn slow(&self) -> u64 {
        self.shared.slow.load(Ordering::Relaxed)
    }

    /// Enforces the time limits of the current requests.
    pub fn check_overdue(&self) {
        // The list's lock is released first, because waking a thread takes the lock of its wait.
        let threads: Vec<_> = self.members().iter().map(|member| member.thread.clone()).collect();
        threads.iter().for_each(|thread| thread.check_overdue());
    }

    /// Calls the handler for SIGTERM or SIGINT of every running script that has one.
    pub fn ask_to_end(&self) {
        let threads: Vec<_> = self.members().iter().map(|member| member.thread.clone()).collect();
        threads.iter().for_each(|thread| thread.interrupt.ask_to_end());
    }

    /// Wakes the scripts that may have missed that [`ThreadGroup::ask_to_end`] called their handlers, see [`Interrupt::remind`].
    fn remind(&self) {
        let threads: Vec<_> = self.members().iter().map(|member| member.thread.clone()).collect();
        threads.iter().for_each(|thread| thread.interrupt.remind());
    }

    /// Allows idle threads' scripts this much time to end, even if less of the grace period is left. Call it before
    /// they are asked to end.
    pub fn spare_idle(&self, time: Duration) {
        let until = Instant::now() + time;
        for member in self.members().iter() {
            if member.thread.activity.status().state == ThreadState::Idle {
                *member.thread.spared.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
            }
        }
    }

    /// Interrupts every running script that is not spared.
    pub fn interrupt(&self) {
        // The list's lock is released first, because waking a thread takes the lock of its wait.
        let seats: Vec<_> = self.members().iter().map(|member| member.thread.clone()).collect();
        let now = Instant::now();
        for thread in seats.iter().filter(|thread| thread.spared().is_none_or(|until| until <= now)) {
            if let Some(generation) = thread.interrupt.generation() {
                thread.kill(generation);
            }
        }
    }

    /// The threads that have not ended, with the places of their scripts.
    fn stuck(&self) -> Vec<Stuck> {
        let members = self.members();
        let alive = members.iter().filter(|member| !member.handle.is_finished());
        alive.map(|member| member.thread.stuck()).collect()
    }

    /// Waits for every thread. One that panicked is logged, because it is a defect.
    fn join(&self) {
        let members = std::mem::take(&mut *self.members());
        for member in members {
            if member.handle.join().is_err() {
                tracing::error!(thread = member.thread.name, "a PHP thread ended by a panic; this is a defect of igor");
            }
        }
    }

    /// No code under this lock can panic half-way.
    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Joinable>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
