//! Decides how many classic threads there should be (pure).

/// The input of the decision.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Threads that have not ended.
    pub threads: usize,
    /// Threads that wait for a job.
    pub idle: usize,
    /// Jobs that wait for a thread.
    pub waiting: usize,
}

/// Whether one more thread should start: a request waits, no thread is free, and the bound allows it.
pub fn grow(load: Load, max: usize) -> bool {
    load.waiting > load.idle && load.threads < max
}

/// Whether an idle thread should end: there are more than the server started with.
pub fn shrink(threads: usize, min: usize) -> bool {
    threads > min
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_only_when_jobs_wait_and_the_bound_allows() {
        let cases = [
            ((2, 0, 1), 4, true),
            ((2, 1, 1), 4, false),
            ((2, 1, 2), 4, true),
            ((2, 0, 0), 4, false),
            ((4, 0, 9), 4, false),
        ];
        for ((threads, idle, waiting), max, expected) in cases {
            assert_eq!(grow(Load { threads, idle, waiting }, max), expected, "{threads} {idle} {waiting} {max}");
        }
        assert!(shrink(3, 2) && !shrink(2, 2));
    }
}
