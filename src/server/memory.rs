//! Memory that was freed goes back to the system. The C library keeps it for the next use, in an arena for every few
//! threads, so after a peak a server would hold for good what only the peak has needed.

use crate::limits::MEMORY_RETURNED_BYTES_MIN;
use crate::php::process;
use std::fs;
use std::time::Instant;

/// The memory of the process at one moment, in bytes.
#[derive(Debug, Clone, Copy)]
struct Memory {
    /// What is not swapped out.
    resident: u64,
    /// What the C library keeps for the next use. Pages of it that went back to the system still count.
    free: u64,
}

impl Memory {
    /// `None` where the system does not say it.
    fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10;
        Some(Self { resident, free: process::free_memory()? })
    }
}

/// The least of both since memory was last returned.
pub(super) struct Least(Option<Memory>);

impl Least {
    pub(super) fn now() -> Self {
        Self(Memory::now())
    }

    /// Returns free memory to the system if there is more of it, or may be. Blocks, for some milliseconds.
    pub(super) fn look(&mut self) {
        let (Some(least), Some(now)) = (&mut self.0, Memory::now()) else { return };
        if !is_worth_it(least, &now) {
            least.resident = least.resident.min(now.resident);
            least.free = least.free.min(now.free);
            return;
        }
        let start = Instant::now();
        process::return_memory();
        let after = Memory::now().unwrap_or(now);
        *least = after;
        tracing::debug!(
            before = now.resident,
            after = after.resident,
            took = ?start.elapsed(),
            "returned free memory to the system"
        );
    }
}

/// Either so much was freed since, or it was used and freed again between two looks.
fn is_worth_it(least: &Memory, now: &Memory) -> bool {
    let was_freed = now.free >= least.free + MEMORY_RETURNED_BYTES_MIN;
    let was_used = now.resident >= least.resident + MEMORY_RETURNED_BYTES_MIN && now.free >= MEMORY_RETURNED_BYTES_MIN;
    was_freed || was_used
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_returned_when_there_is_some() {
        const MIB: u64 = 1 << 20;
        let memory = |resident, free| Memory { resident: resident * MIB, free: free * MIB };
        let least = memory(100, 10);
        for (now, expected) in [
            (memory(100, 10), false),
            (memory(110, 20), false),
            // It grows, and uses all of it.
            (memory(200, 2), false),
            (memory(100, 26), true),
            // Used and freed again.
            (memory(116, 16), true),
            (memory(50, 5), false),
        ] {
            assert_eq!(is_worth_it(&least, &now), expected, "{now:?}");
        }
    }
}
