//! The settings of the classic threads in the global options.

use std::time::Duration;

/// The number of classic threads, and how long each stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicConfig {
    /// Threads from the start.
    pub threads: usize,
    /// Threads at most, under load.
    pub threads_max: usize,
    /// How long a thread beyond `threads` may be idle before it ends.
    pub idle: Duration,
    /// After this many requests another thread takes its place; `None`: never.
    pub requests_max: Option<usize>,
}
