//! What a request uses of its PHP thread: processor time and memory, for access logs that show them.

use std::sync::Arc;
use std::time::Duration;

use crate::exchange::{Usage, Used};
use crate::ffi::{self, igor_usage};

/// A measurement that runs. It belongs to the thread that began it.
pub(super) struct Measured {
    usage: Arc<Usage>,
    begun: igor_usage,
}

impl Measured {
    /// Begins it.
    pub(super) fn begin(usage: &Arc<Usage>) -> Self {
        Self { usage: Arc::clone(usage), begun: of_thread() }
    }

    /// Notes what was used since.
    pub(super) fn note(&self) {
        let now = of_thread();
        self.usage.note(Used {
            thread: now.thread,
            user: Duration::from_micros(now.user_us.saturating_sub(self.begun.user_us)),
            system: Duration::from_micros(now.system_us.saturating_sub(self.begun.system_us)),
            memory_bytes: now.memory_bytes,
        });
    }
}

fn of_thread() -> igor_usage {
    // SAFETY: reads counters of the calling thread, and those of its PHP if it has one. It cannot jump.
    unsafe { ffi::shim_usage() }
}
