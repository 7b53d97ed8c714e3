//! A background worker without a script: code of the program that embeds PHP. It runs where it likes, and reports by
//! its [`NativeRun`] to the thread of the worker (`native_loop`).

use crate::php::ScriptError;
use crate::vars::{ArrayNode, Limits, Refusal, Slot};
use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// What is named where a script would be.
pub(super) const IN_PLACE_OF_A_SCRIPT: &str = "Rust";

/// Code that is run again and again, as a script is.
pub trait NativeCode: Send + Sync {
    /// Starts one run, and returns without waiting for it. The returned function ends a run that has not ended in the
    /// grace period.
    fn start(&self, run: NativeRun) -> Box<dyn FnOnce() + Send>;
}

/// The code of a worker, as its declaration holds it: equal to itself only.
#[derive(Clone)]
pub struct Native(pub Arc<dyn NativeCode>);

impl fmt::Debug for Native {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(IN_PLACE_OF_A_SCRIPT)
    }
}

impl PartialEq for Native {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Native {}

/// One run. Dropped, it has ended as a failure, unless it was [finished](Self::finish).
pub struct NativeRun {
    /// Counts the runs of the worker, from 1.
    pub number: u64,
    handle: Option<OwnedFd>,
    /// Publishes.
    pub publisher: Publisher,
    events: Sender<Event>,
    is_finished: bool,
}

impl NativeRun {
    pub(super) fn new(number: u64, handle: OwnedFd, publisher: Publisher, events: Sender<Event>) -> Self {
        Self { number, handle: Some(handle), publisher, events, is_finished: false }
    }

    /// What reaches its end when the run should end. Can be taken once.
    pub fn take_handle(&mut self) -> Option<OwnedFd> {
        self.handle.take()
    }

    /// The run has ended. `Err`: it has failed, for this reason.
    pub fn finish(mut self, result: Result<(), ScriptError>) {
        self.is_finished = true;
        // Fails only when the thread has left.
        let _ = self.events.send(Event::Ended(result));
    }
}

impl Drop for NativeRun {
    fn drop(&mut self) {
        if !self.is_finished {
            let error = ScriptError {
                level: "Error",
                message: "the run was dropped before it ended, as a runtime does that is shut down".to_owned(),
                ..ScriptError::default()
            };
            let _ = self.events.send(Event::Ended(Err(error)));
        }
    }
}

/// Why nothing was published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishRefused {
    /// The array breaks a limit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The run that may publish has ended.
    #[error("the run of this worker has ended, so it publishes no more")]
    Ended,
}

/// Publishes for one run.
#[derive(Clone)]
pub struct Publisher {
    slot: Arc<Slot>,
    limits: Limits,
    events: Sender<Event>,
    /// Whether the run continues. Held while the slot is changed, so that a run that has ended publishes nothing.
    goes_on: Arc<Mutex<bool>>,
}

impl Publisher {
    pub(super) fn new(slot: Arc<Slot>, limits: Limits, events: Sender<Event>) -> Self {
        Self { slot, limits, events, goes_on: Arc::new(Mutex::new(true)) }
    }

    /// The run has ended.
    pub(super) fn close(&self) {
        *self.goes_on.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Publishes an array, unless it equals the published one. Returns the newest version.
    ///
    /// # Errors The run has ended, or the array breaks a limit.
    pub fn publish(&self, array: &ArrayNode) -> Result<u64, PublishRefused> {
        let goes_on = self.goes_on.lock().unwrap_or_else(PoisonError::into_inner);
        if !*goes_on {
            return Err(PublishRefused::Ended);
        }
        let current = self.slot.current();
        let snapshot = array.snapshot_unless_equal(current.as_ref().map(|current| &*current.snapshot), self.limits)?;
        let version = match snapshot {
            Some(snapshot) => {
                let (version, replaced) = self.slot.publish(snapshot);
                if let Some(replaced) = replaced {
                    crate::vars::retire(replaced.snapshot);
                }
                Some(version)
            }
            None => {
                self.slot.count_unchanged();
                None
            }
        };
        drop(goes_on);
        let _ = self.events.send(Event::Published(version));
        Ok(version.unwrap_or_else(|| self.slot.version()))
    }
}

/// What a run reports to the thread of its worker.
pub(super) enum Event {
    Published(Option<u64>),
    Ended(Result<(), ScriptError>),
    /// The grace period is over.
    Killed,
}
