//! How long the requests of a thread took (pure): a count for each power of two of milliseconds.

use std::time::Duration;

/// The counts: below 1 ms, below 2 ms, and so on up to below 4096 ms; the last one has the rest.
pub const LATENCY_BUCKETS: usize = 14;

/// Counts of requests, by how long they took. They wrap around, so readers subtract.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency(pub [u32; LATENCY_BUCKETS]);

impl Latency {
    /// One more request.
    pub(super) fn count(&mut self, took: Duration) {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - milliseconds.leading_zeros()) as usize;
        let count = &mut self.0[bucket.min(LATENCY_BUCKETS - 1)];
        *count = count.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_its_power_of_two() {
        for (microseconds, bucket) in [
            (0, 0),
            (999, 0),
            (1000, 1),
            (1999, 1),
            (2000, 2),
            (4000, 3),
            (4_095_999, 12),
            (4_096_000, 13),
            (u64::MAX, 13),
        ] {
            let mut latency = Latency::default();
            latency.count(Duration::from_micros(microseconds));
            assert_eq!(latency.0.iter().position(|count| *count == 1), Some(bucket), "{microseconds}");
        }
    }
}
