//! The interface by which tasks wake the threads that wait for them.

use super::worker::TaskWorker;
use crate::exchange::Sleeper;
use std::sync::Arc;
use std::task::Waker;

/// What ends the wait of a thread from outside.
pub trait Interruption {
    /// Lets `waker` be woken when the wait may have to end; to be called before the first look.
    fn sleeper(&self, waker: Waker) -> Sleeper<'_>;
    /// Whether the wait should end.
    fn is_cut(&self) -> bool;
}

/// Which worker waits for which, so that a circle fails at once instead of running into a timeout.
pub trait WaitGraph: Send + Sync {
    /// A thread of `from` begins to wait for `to`. `Err` with the names along the circle that this would close.
    ///
    /// # Errors
    /// The wait would never end.
    fn enter(&self, from: &Arc<TaskWorker>, to: &Arc<TaskWorker>) -> Result<(), Vec<String>>;
    /// That wait is over.
    fn leave(&self, from: &Arc<TaskWorker>, to: &Arc<TaskWorker>);
}
