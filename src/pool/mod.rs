//! PHP threads as a group, and the queue in front of them: what `worker` has in common for all three kinds of threads.

mod crew;
mod lines;
mod queue;
pub mod scale;

pub use crew::{Crew, Runs, Stuck, end_runs, leave};
pub use lines::LineLog;
pub(crate) use lines::log_php;
pub use queue::JobQueue;
pub(crate) use queue::Taken;
