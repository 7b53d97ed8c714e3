//! Frees large snapshots off the request path: giving megabytes back to the system takes longer than a request should
//! wait. Small ones are freed on the spot.

use super::snapshot::Snapshot;
use super::sync::Arc;
use crate::signals::SignalMask;
use crossbeam_channel::{Sender, TrySendError, bounded};
use once_cell::sync::Lazy;

/// From this size on a free is handed over: below it costs less than the hand-over.
const HAND_OVER_BYTES_MIN: usize = 256 << 10;
/// Snapshots that may wait; when more come they are freed by whoever drops them, which bounds the memory that waits.
const WAITING_MAX: usize = 64;

static REAPER: Lazy<Option<Sender<Arc<Snapshot>>>> = Lazy::new(|| {
    let (sender, receiver) = bounded::<Arc<Snapshot>>(WAITING_MAX);
    let started = std::thread::Builder::new().name("igor-reaper".into()).spawn(move || {
        // Whoever freed something first has started it, which may be a PHP thread.
        SignalMask::block_all();
        for snapshot in receiver {
            drop(snapshot);
        }
    });
    // Without the thread everything is freed on the spot: slower, but right.
    started.ok().map(|_| sender)
});

/// Drops one hold on a snapshot. The last hold frees it, here or on the reaper's thread.
pub fn retire(snapshot: Arc<Snapshot>) {
    if snapshot.bytes() < HAND_OVER_BYTES_MIN || Arc::strong_count(&snapshot) > 1 {
        return;
    }
    if let Some(sender) = REAPER.as_ref() {
        // Dropped here when the queue is full.
        let (Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) = sender.try_send(snapshot);
    }
}
