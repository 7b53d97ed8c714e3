//! What the global options declare of the classic threads.

/// How many classic threads there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicConfig {
    /// Threads from the start.
    pub threads: usize,
    /// Threads at most, under load.
    pub threads_max: usize,
}
