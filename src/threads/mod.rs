//! Groups of PHP threads, and their queues. All three kinds of `worker` use them.

mod activity;
mod group;
mod latency;
mod queue;
pub mod scale;

pub use activity::{Activity, ActivityStatus, Overdue, ThreadState};
pub use group::{Identity, Runs, Stuck, ThreadGroup, ThreadStatus, end_runs, leave};
pub use latency::{LATENCY_BUCKETS, Latency};
pub use queue::JobQueue;
pub(crate) use queue::Taken;
