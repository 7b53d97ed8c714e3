//! The settings of the classic threads in the global options.

/// The number of classic threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicConfig {
    /// Threads from the start.
    pub threads: usize,
    /// Threads at most, under load.
    pub threads_max: usize,
}
