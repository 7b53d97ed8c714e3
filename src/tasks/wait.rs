//! The interface by which tasks wake the threads that wait for them.

use super::worker::TaskWorker;
use crate::exchange::Sleeper;
use std::sync::Arc;
use std::task::Waker;

/// Ends a thread's wait from outside.
pub trait Interruption {
    /// Registers `waker` for events that may end the wait; call it before the first check.
    fn sleeper(&self, waker: Waker) -> Sleeper<'_>;
    /// Whether the wait should end.
    fn is_cut(&self) -> bool;
}

/// Records which worker waits for which, so that a cycle fails at once instead of timing out.
pub trait WaitGraph: Send + Sync {
    /// A thread of `from` starts to wait for `to`. `Err` with the names along the circle that this would close.
    ///
    /// # Errors
    /// The wait would never end.
    fn enter(&self, from: &Arc<TaskWorker>, to: &Arc<TaskWorker>) -> Result<(), Vec<String>>;
    /// That wait is over.
    fn leave(&self, from: &Arc<TaskWorker>, to: &Arc<TaskWorker>);
}
