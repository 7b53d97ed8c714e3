//! What is sent as a task.

use crate::traces::Span;
use crate::vars::Snapshot;

/// The payload of a task, and its span if it has one. The span ends with the task.
pub struct Parcel {
    /// The array that the sender passes.
    pub payload: Snapshot,
    /// From now until the end of the task.
    pub span: Option<Span>,
}

impl From<Snapshot> for Parcel {
    fn from(payload: Snapshot) -> Self {
        Self { payload, span: None }
    }
}
