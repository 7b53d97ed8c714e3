//! Decides what goes to the log of something that may happen often.

use std::time::Instant;

use crate::limits;

#[derive(Default)]
pub(super) struct Burst {
    recorded: Option<Instant>,
    /// What no record has named yet.
    count: u64,
}

impl Burst {
    /// The count for a record. `None`: there was one just now.
    pub(super) fn add(&mut self, count: u64) -> Option<u64> {
        self.count = self.count.saturating_add(count);
        self.due()
    }

    /// The count for a record of what came after the last one. `None`: nothing, or it is too early.
    pub(super) fn due(&mut self) -> Option<u64> {
        let is_new = self.recorded.is_none_or(|last| last.elapsed() >= limits::MERCURE_RELAY_RECORD_PAUSE);
        (is_new && self.count > 0).then(|| {
            self.recorded = Some(Instant::now());
            std::mem::take(&mut self.count)
        })
    }
}
