//! PHP threads as a group, and the queue in front of them: what `worker` has in common for all three kinds of threads.

mod activity;
mod group;
mod queue;
pub mod scale;

pub use activity::{Activity, ActivityStatus, ThreadState};
pub use group::{Identity, Runs, Stuck, ThreadGroup, ThreadStatus, end_runs, leave};
pub use queue::JobQueue;
pub(crate) use queue::Taken;
