//! The three kinds of PHP threads. Each has a configuration and the verbs `start` and `stop`; workers also `restart`. The
//! threads of each end in `threads::leave`.
//! `classic` runs a script per request, `http` hands requests to a script that loops, `background` runs scripts beside
//! them. `scope` is what a script sees of the background workers, `supervise` decides what follows on the end of a run,
//! `counters` counts.

pub mod background;
pub mod classic;
mod counters;
mod environment;
pub mod http;
mod messages;
pub mod scope;
pub mod supervise;
mod waits;

pub use counters::{HttpCounts, Restarts, WorkerCounters};
pub use scope::{ScopeView, ScopeWorkers};
pub use waits::{Waiter, Waits};
