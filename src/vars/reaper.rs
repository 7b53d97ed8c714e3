//! Frees large snapshots on its own thread: returning megabytes to the system takes longer than a request should wait.
//! Small ones are freed at once by their last holder.

use super::snapshot::Snapshot;
use crate::limits::{REAPED_SNAPSHOT_BYTES_MIN, REAPER_QUEUE_MAX};
use crate::signals::SignalMask;
use crate::sync::Arc;
use crossbeam_channel::{Sender, TrySendError, bounded};
use once_cell::sync::Lazy;

/// Started with the first snapshot that it frees.
static REAPER: Lazy<Option<Sender<Arc<Snapshot>>>> = Lazy::new(|| {
    let (sender, receiver) = bounded::<Arc<Snapshot>>(REAPER_QUEUE_MAX);
    let started = std::thread::Builder::new().name("igor-reaper".into()).spawn(move || {
        // The first thread that freed a snapshot has started it, and that may be a PHP thread.
        SignalMask::block_all();
        for snapshot in receiver {
            drop(snapshot);
        }
    });
    // Without the thread everything is freed at once: slower, but correct.
    started.ok().map(|_| sender)
});

/// Drops one reference to a snapshot. The last reference frees it, here or on the reaper's thread.
pub fn retire(snapshot: Arc<Snapshot>) {
    if snapshot.bytes() < REAPED_SNAPSHOT_BYTES_MIN || Arc::strong_count(&snapshot) > 1 {
        return;
    }
    if let Some(sender) = REAPER.as_ref() {
        // Dropped here when the queue is full.
        let (Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) = sender.try_send(snapshot);
    }
}
