//! A group of PHP threads that is started, interrupted and joined together.

use crate::php::{Interrupt, ThreadOptions, Work, spawn};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a leaving group is looked at. Short beside any grace period, long beside the cost of a look.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often a script that was told to end is told again: its shutdown functions run after the first time and may block.
const INTERRUPT_EVERY: Duration = Duration::from_millis(50);

/// A group of PHP threads of one kind.
pub struct Crew {
    options: ThreadOptions,
    numbers: AtomicUsize,
    /// Protects the list; threads are joined after it is released.
    members: Mutex<Vec<Member>>,
}

struct Member {
    name: String,
    interrupt: Arc<Interrupt>,
    handle: JoinHandle<()>,
}

/// A thread that could not be made to leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The thread's name, which names the worker.
    pub thread: String,
    /// The script and line where it hangs, if that is known.
    pub place: Option<String>,
}

/// Waits until every thread of all groups has left, which they were told to: on their own until `grace`, interrupted
/// again and again from then on, for `kill` at most. Gives the threads that are still there. Blocks.
pub fn leave(crews: &[&Crew], grace: Instant, kill: Duration) -> Vec<Stuck> {
    let mut interrupted: Option<Instant> = None;
    loop {
        if crews.iter().all(|crew| crew.alive() == 0) {
            crews.iter().for_each(|crew| crew.join());
            return Vec::new();
        }
        let now = Instant::now();
        if now >= grace + kill {
            return crews.iter().flat_map(|crew| crew.stuck()).collect();
        }
        if now >= grace && interrupted.is_none_or(|last| now - last >= INTERRUPT_EVERY) {
            if interrupted.is_none() {
                for stuck in crews.iter().flat_map(|crew| crew.stuck()) {
                    tracing::warn!(thread = stuck.thread, "interrupting a script that did not end in its grace period");
                }
            }
            crews.iter().for_each(|crew| crew.interrupt());
            interrupted = Some(now);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Scripts that ran at one moment.
#[derive(Default)]
pub struct Runs(Vec<OneRun>);

struct OneRun {
    thread: String,
    interrupt: Arc<Interrupt>,
    generation: u64,
}

impl OneRun {
    fn goes_on(&self) -> bool {
        self.interrupt.generation() == Some(self.generation)
    }
}

/// Waits until these runs have ended, which their scripts were told to: on their own until `grace`, interrupted again and
/// again from then on, for `kill` at most. What runs after them on the same threads is left alone. Gives the threads whose
/// scripts go on all the same. Blocks.
pub fn end_runs(runs: Runs, grace: Instant, kill: Duration) -> Vec<Stuck> {
    let mut runs = runs.0;
    let mut interrupted: Option<Instant> = None;
    loop {
        runs.retain(OneRun::goes_on);
        let now = Instant::now();
        if runs.is_empty() || now >= grace + kill {
            return runs.iter().map(|run| Stuck { thread: run.thread.clone(), place: run.interrupt.place() }).collect();
        }
        if now >= grace && interrupted.is_none_or(|last| now - last >= INTERRUPT_EVERY) {
            for run in &runs {
                if interrupted.is_none() {
                    tracing::warn!(thread = run.thread, "interrupting a script that did not end in its grace period");
                }
                run.interrupt.kill(run.generation);
            }
            interrupted = Some(now);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

impl Crew {
    /// An empty group. Its threads are named after `options.name` with a number.
    pub fn new(options: ThreadOptions) -> Self {
        Self { options, numbers: AtomicUsize::new(0), members: Mutex::new(Vec::new()) }
    }

    /// Starts a thread. `make` is given its number, counted from 0 and never used twice.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn hire(&self, make: impl FnOnce(usize) -> Box<dyn Work>) -> io::Result<()> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", self.options.name);
        let options = ThreadOptions { name: name.clone(), ..self.options.clone() };
        let interrupt = Arc::new(Interrupt::default());
        let handle = spawn(options, make(number), interrupt.clone())?;
        let mut members = self.members();
        // Threads that ended on their own are let go here, so the list stays as long as the group is large.
        members.retain(|member| !member.handle.is_finished());
        members.push(Member { name, interrupt, handle });
        Ok(())
    }

    /// How many threads have not ended.
    pub fn alive(&self) -> usize {
        self.members().iter().filter(|member| !member.handle.is_finished()).count()
    }

    /// Adds the scripts that run now.
    pub fn runs(&self, into: &mut Runs) {
        let run = |member: &Member| {
            let (thread, interrupt) = (member.name.clone(), member.interrupt.clone());
            Some(OneRun { generation: interrupt.generation()?, thread, interrupt })
        };
        into.0.extend(self.members().iter().filter_map(run));
    }

    /// Tells every running script to end at once.
    pub fn interrupt(&self) {
        for member in self.members().iter() {
            if let Some(generation) = member.interrupt.generation() {
                member.interrupt.kill(generation);
            }
        }
    }

    fn stuck(&self) -> Vec<Stuck> {
        let members = self.members();
        let alive = members.iter().filter(|member| !member.handle.is_finished());
        alive.map(|member| Stuck { thread: member.name.clone(), place: member.interrupt.place() }).collect()
    }

    fn join(&self) {
        let members = std::mem::take(&mut *self.members());
        for member in members {
            if member.handle.join().is_err() {
                tracing::error!(thread = member.name, "a PHP thread ended by a panic; this is a defect of igor");
            }
        }
    }

    fn members(&self) -> std::sync::MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
