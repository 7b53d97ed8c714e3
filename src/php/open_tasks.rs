//! The tasks that the scripts of one PHP thread hold open. C refers to a task by a number, so C holds no pointer that
//! could outlive the PHP request.

use super::work::{Ended, Failure};
use crate::tasks::Task;
use crate::traces::TraceContext;
use std::collections::HashMap;
use std::sync::Arc;

/// The tasks that a PHP request has sent or taken, and not released.
#[derive(Default)]
pub(super) struct OpenTasks {
    /// The number of the newest task; the first is 1. Numbers are not used again, so an old handle finds nothing.
    last: u64,
    /// By the number that C knows.
    pub(super) open: HashMap<u64, Open>,
}

/// A task that the script holds a handle of.
pub(super) struct Open {
    pub(super) task: Arc<Task>,
    /// Decides what the release of the handle does to the task.
    pub(super) side: Side,
}

/// What the script has to do with a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Sent, in an HTTP request (the script may serve many).
    SentInRequest,
    /// Sent by the script itself.
    Sent,
    /// Taken.
    Received,
}

impl OpenTasks {
    /// Returns the number by which C names the task.
    pub(super) fn add(&mut self, task: Arc<Task>, side: Side) -> u64 {
        self.last += 1;
        self.open.insert(self.last, Open { task, side });
        self.last
    }

    /// The task of this number; a released one is over for its script.
    pub(super) fn get(&self, id: u64) -> Result<Arc<Task>, Failure> {
        self.open.get(&id).map(|open| open.task.clone()).ok_or_else(over)
    }

    /// The span of the newest task that the script has taken and not released.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        let taken = self.open.iter().filter(|(_, open)| open.side == Side::Received);
        taken.max_by_key(|(id, _)| **id).and_then(|(_, open)| open.task.trace())
    }

    /// The HTTP request has ended: no script reads the results of its tasks.
    pub(super) fn request_ended(&mut self) {
        self.open.retain(|_, open| {
            let is_of_request = open.side == Side::SentInRequest;
            if is_of_request {
                open.task.abandon();
            }
            !is_of_request
        });
    }

    /// The PHP request is over. Returns the messages about its unfinished tasks.
    pub(super) fn ended(&mut self, ended: &Ended) -> Vec<String> {
        let mut said = Vec::new();
        for (_, open) in self.open.drain() {
            if open.side != Side::Received {
                open.task.abandon();
                continue;
            }
            let name = open.task.worker().name().to_owned();
            let why = match &ended.error {
                Some(error) => format!("exit status {}, last error: {error}", ended.exit_status),
                None => format!("exit status {}", ended.exit_status),
            };
            let reason = format!("background worker \"{name}\" ended without completing the task: {why}");
            if open.task.abort(&reason) {
                said.push(reason);
            }
        }
        said
    }
}

/// The failure of a handle that no longer has a task.
pub(super) fn over() -> Failure {
    Failure::runtime("the task is over")
}
