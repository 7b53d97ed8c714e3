//! The thread of a worker without a script. It does for each run what a PHP thread does for a script: the same pauses,
//! counts and records.

use super::Background;
use super::native::{Event, Native, NativeRun, Publisher};
use super::work::BackgroundWork;
use crate::exchange::Cancellation;
use crate::php::{Ended, Interrupt, Next, Scope, ScriptError, Work};
use crate::vars::Limits;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

impl Background {
    /// Starts one thread: with PHP for a script, without it for code.
    pub(super) fn spawn(self: &Arc<Self>, own_scope: &Arc<dyn Scope>) -> io::Result<()> {
        let work = |number, activity| BackgroundWork::new(self.clone(), own_scope.clone(), number, activity);
        let Some(code) = self.config.native.clone() else {
            return self.thread_group.spawn(|number, activity| Box::new(work(number, activity)));
        };
        self.thread_group.spawn_without_php(|number, activity, interrupt, limits| {
            let work = work(number, activity);
            Box::new(move || run(work, &code, limits, &interrupt))
        })
    }
}

/// The loop of the thread.
pub(super) fn run(mut work: BackgroundWork, code: &Native, limits: Limits, interrupt: &Interrupt) {
    while let Next::Run(_) = work.next() {
        let (sender, events) = channel();
        interrupt.begin();
        let ended = one_run(&mut work, code, limits, interrupt.waits(), sender, &events);
        interrupt.end();
        work.ended(ended);
    }
}

fn one_run(
    work: &mut BackgroundWork,
    code: &Native,
    limits: Limits,
    kill: &Cancellation,
    sender: Sender<Event>,
    events: &Receiver<Event>,
) -> Ended {
    let handle = match work.own_handle() {
        Ok(handle) => handle,
        Err(error) => return failed(ScriptError { message: error.to_string(), ..system_error() }),
    };
    let _sleeper = kill.sleeper(Waker::from(Arc::new(KillBell(Mutex::new(sender.clone())))));
    let Some(slot) = work.slot().cloned() else { return failed(system_error()) };
    let publisher = Publisher::new(slot, limits, sender.clone());
    let run = NativeRun::new(work.run(), handle, publisher.clone(), sender);
    let mut abort = Some(code.0.start(run));
    let result = loop {
        match events.recv() {
            Ok(Event::Published(version)) => work.published(version),
            Ok(Event::Ended(result)) => break result,
            Ok(Event::Killed) => abort.take().into_iter().for_each(|abort| abort()),
            Err(_) => break Err(system_error()),
        }
    };
    publisher.close();
    // What was published just before the end.
    while let Ok(event) = events.try_recv() {
        if let Event::Published(version) = event {
            work.published(version);
        }
    }
    match result {
        Ok(()) => Ended { exit_status: 0, failed: false, handled: false, error: None },
        Err(error) => failed(error),
    }
}

fn failed(error: ScriptError) -> Ended {
    Ended { exit_status: 1, failed: true, handled: false, error: Some(error) }
}

fn system_error() -> ScriptError {
    ScriptError { level: "System error", message: "the run has no handle".to_owned(), ..ScriptError::default() }
}

/// Says that the grace period is over.
struct KillBell(Mutex<Sender<Event>>);

impl Wake for KillBell {
    fn wake(self: Arc<Self>) {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).send(Event::Killed);
    }
}
