//! The place where the snapshots of a worker are published and read.
//!
//! C reads the head of a slot on every read (`igor_slot` in `c/shim.h`): the version, and the name for the reading
//! cache. States of the version: 0 before the first publish, then one more with each; it never falls, also across
//! crashes, restarts and give-ups. Only [`Slot::publish`] (and [`Slot::withdraw`], which ends a slot's life) writes it,
//! under the lock, after the snapshot of that version is in place. A reader that sees a new version with `Acquire` and
//! then takes the lock gets that snapshot or a newer one. The lock protects the pointer alone; it is never held while
//! memory is copied or freed, nor across a call into the engine.

use super::layout::hash_bytes;
use super::snapshot::Snapshot;
use crate::sync::{Arc, AtomicU64, Mutex, MutexGuard, Ordering};
use std::future::Future;
use std::pin::Pin;
use std::sync::{PoisonError, atomic};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A snapshot with the version under which it was published.
#[derive(Clone)]
pub struct Published {
    /// Counts from 1.
    pub version: u64,
    /// The published snapshot.
    pub snapshot: Arc<Snapshot>,
}

/// The place of one worker's snapshots.
#[repr(C)]
pub struct Slot {
    /// The first field, because C reads it with every repeated read.
    version: AtomicU64,
    /// As PHP hashes the name; C compares it before the name.
    name_hash: u64,
    /// Not terminated by a NUL.
    name_start: *const u8,
    name_len: usize,
    /// Owns the bytes that `name_start` points to.
    name: Box<[u8]>,
    /// Protects the newest snapshot, the time of its publish, and who waits for the next.
    current: Mutex<Current>,
    /// A reload has removed or replaced the worker: readers look the name up again.
    withdrawn: atomic::AtomicBool,
    counters: SlotCounters,
}

/// What the lock of a slot protects.
#[derive(Default)]
struct Current {
    newest: Option<(Published, Instant)>,
    /// Futures that wait for a newer version, by their numbers.
    waiting: Vec<(u64, Waker)>,
    /// The number of the next one.
    next: u64,
}

/// The counters of a slot, for the metrics. `Relaxed` everywhere: nothing synchronises by these numbers, so they are
/// not part of the models.
#[derive(Default)]
pub struct SlotCounters {
    /// Publishes that changed something.
    pub publishes: atomic::AtomicU64,
    /// Publishes that changed nothing.
    pub unchanged: atomic::AtomicU64,
    /// Reads that missed the reading cache. Reads without a copy saw the arena itself.
    pub reads: atomic::AtomicU64,
}

// SAFETY: `name_start` points into `name`, which is never changed.
unsafe impl Send for Slot {}
// SAFETY: as above; everything else is atomic or locked.
unsafe impl Sync for Slot {}

impl Slot {
    /// Bytes of the head that C reads.
    pub const HEAD_BYTES: usize = std::mem::offset_of!(Slot, name);

    /// The address of the head that C reads; valid as long as the slot.
    pub fn head(slot: &Arc<Self>) -> *const Self {
        Arc::as_ptr(slot)
    }

    /// Counts a publish that changed nothing.
    pub fn count_unchanged(&self) {
        self.counters.unchanged.fetch_add(1, Ordering::Relaxed);
    }

    /// An empty slot.
    pub fn new(name: &[u8]) -> Arc<Self> {
        let name: Box<[u8]> = name.into();
        Arc::new(Self {
            version: AtomicU64::new(0),
            name_hash: hash_bytes(&name),
            name_start: name.as_ptr(),
            name_len: name.len(),
            name,
            current: Mutex::new(Current::default()),
            withdrawn: atomic::AtomicBool::new(false),
            counters: SlotCounters::default(),
        })
    }

    /// The worker's name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The newest version; 0 before the first publish.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The counters.
    pub fn counters(&self) -> &SlotCounters {
        &self.counters
    }

    /// The newest snapshot.
    pub fn current(&self) -> Option<Published> {
        self.locked().newest.as_ref().map(|(published, _)| published.clone())
    }

    /// How long ago the newest snapshot was published.
    pub fn age(&self) -> Option<Duration> {
        self.locked().newest.as_ref().map(|(_, at)| at.elapsed())
    }

    /// Publishes a snapshot and returns its version. Returns the replaced one; the caller drops it where that delays no
    /// request.
    pub fn publish(&self, snapshot: Snapshot) -> (u64, Option<Published>) {
        self.publish_shared(Arc::new(snapshot))
    }

    /// The same for a snapshot that is in another slot too.
    pub fn publish_shared(&self, snapshot: Arc<Snapshot>) -> (u64, Option<Published>) {
        let mut current = self.locked();
        let version = self.version.load(Ordering::Relaxed) + 1;
        let replaced = current.newest.replace((Published { version, snapshot }, Instant::now()));
        self.version.store(version, Ordering::Release);
        let waiting = std::mem::take(&mut current.waiting);
        drop(current);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
        self.counters.publishes.fetch_add(1, Ordering::Relaxed);
        let replaced = replaced.map(|(published, _)| published);
        if let Some(replaced) = &replaced {
            replaced.snapshot.note_replaced();
        }
        (version, replaced)
    }

    /// The worker is no longer declared: every script that reads this slot must look up its name again. The published
    /// snapshot stays in memory as long as the slot.
    pub fn withdraw(&self) {
        let mut current = self.locked();
        let waiting = std::mem::take(&mut current.waiting);
        self.withdrawn.store(true, Ordering::Relaxed);
        let version = self.version.load(Ordering::Relaxed) + 1;
        // After the mark: a reader that sees the new version sees the mark too.
        self.version.store(version, Ordering::Release);
        drop(current);
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// Waits for a version that is newer than `seen`, and returns it. A slot that was withdrawn gets no newer one: see
    /// [`is_withdrawn`](Self::is_withdrawn).
    pub fn changed(slot: &Arc<Self>, seen: u64) -> Changed {
        Changed { slot: slot.clone(), seen, number: None }
    }

    /// Whether [`withdraw`](Self::withdraw) was called, for readers that have seen the version that it made.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Relaxed)
    }

    /// Every change under the lock is one assignment, so the lock's poison is ignored.
    fn locked(&self) -> MutexGuard<'_, Current> {
        // A panic cannot leave the pair half-written, so a poisoned lock is usable.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait of [`Slot::changed`].
pub struct Changed {
    slot: Arc<Slot>,
    seen: u64,
    /// Under which its waker is known; it may have been taken since.
    number: Option<u64>,
}

impl Future for Changed {
    type Output = u64;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u64> {
        let slot = self.slot.clone();
        let mut current = slot.locked();
        // Under the lock, which every change of the version takes.
        let version = slot.version();
        if version > self.seen {
            return Poll::Ready(version);
        }
        let known = self.number.and_then(|own| current.waiting.iter_mut().find(|(number, _)| *number == own));
        if let Some((_, waker)) = known {
            waker.clone_from(context.waker());
        } else {
            current.next += 1;
            let number = current.next;
            current.waiting.push((number, context.waker().clone()));
            self.number = Some(number);
        }
        Poll::Pending
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        if let Some(own) = self.number {
            self.slot.locked().waiting.retain(|(number, _)| *number != own);
        }
    }
}
