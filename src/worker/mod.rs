//! The three kinds of PHP threads: `classic` runs a script for each request, `http` passes requests to a script that
//! loops, `background` runs scripts beside them.
//!
//! Each kind has the same files. `mod` is shared by its threads. It has the verbs `new`, `start`, `status`, `restart`
//! (workers only), `stop` and `thread_group`; the caller awaits the group's threads with `threads::leave`. `config`
//! holds its settings. `work` is the work of one thread.
//!
//! Beside them: `scope` holds the background workers that a script sees. `supervise` decides how a worker continues
//! after a run, `run_end` applies and logs it for both kinds of workers, and `counters` counts.

pub mod background;
pub mod classic;
mod counters;
mod environment;
pub mod http;
mod messages;
mod run_end;
pub mod scope;
pub mod supervise;
mod waits;

pub use counters::{HttpCounts, Restarts, WorkerCounters};
pub use scope::{ScopeView, ScopeWorkers};
pub use waits::{Waiter, Waits};
