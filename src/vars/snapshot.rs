//! One published array. It owns every byte of itself (law 3) and is never written after it was sealed. Its last holder
//! frees it by plain memory work, on any thread.

use super::arena;
use super::compare;
use super::layout::ZArray;
use super::memory::{Memory, NoMemory};
use super::plan::{self, Limits, MAX_DEPTH};
use super::refusal::{Reason, Refusal};
use super::source::Objects;
use super::stats;
use super::verify;
use std::sync::atomic::{AtomicBool, Ordering};

/// An immutable deep copy of an array, in the engine's own form.
pub struct Snapshot {
    memory: Memory,
    /// Of the arena.
    bytes: usize,
    /// Whether something in it occurs more than once: a copy must then remember what it has copied.
    shared: bool,
    /// Whether an enum case is in it.
    enums: bool,
    /// Whether a newer version has replaced it. Only the metrics read it, so it is not part of the models.
    replaced: AtomicBool,
}

impl Snapshot {
    /// Copies `source`. Allocates nothing in PHP's request heap and runs no user code.
    ///
    /// # Errors
    /// A [`Refusal`] that names the value and its place.
    ///
    /// # Safety
    /// `source` and everything that it holds must live, unwritten, during the call.
    pub unsafe fn copy_of(source: *const ZArray, objects: &dyn Objects, limits: Limits) -> Result<Self, Refusal> {
        // SAFETY: the caller guarantees it.
        let plan = unsafe { plan::plan(source, objects, limits)? };
        // SAFETY: the source was planned just now, and no user code ran since.
        let memory = unsafe { arena::write(source, &plan, objects)? };
        memory.seal().map_err(|NoMemory| Refusal::new(Reason::OutOfMemory(plan.bytes)))?;
        stats::made(plan.bytes);
        let snapshot = Self {
            memory,
            bytes: plan.bytes,
            shared: plan.shared,
            enums: plan.enums,
            replaced: AtomicBool::new(false),
        };
        if cfg!(debug_assertions) || super::memory::hardened() {
            // SAFETY: the snapshot is sealed, and lives here.
            let checked = unsafe { verify::check(snapshot.range(), snapshot.root()) };
            checked.map_err(|NoMemory| Refusal::new(Reason::OutOfMemory(plan.bytes)))?;
        }
        Ok(snapshot)
    }

    /// Whether publishing `source` again would change nothing (see `compare`).
    ///
    /// # Safety
    /// As for [`copy_of`](Self::copy_of).
    pub unsafe fn equals(&self, source: *const ZArray, objects: &dyn Objects) -> bool {
        // SAFETY: the caller guarantees it; the root is part of this arena.
        unsafe { compare::same(source, self.root(), objects, MAX_DEPTH + 1) }
    }

    /// The array. Readers must hold the snapshot for as long as they use anything of it.
    pub fn root(&self) -> *const ZArray {
        self.memory.base().cast_const().cast()
    }

    /// Bytes of the arena.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether some array is in more than one place.
    pub fn shared(&self) -> bool {
        self.shared
    }

    /// Whether it holds enum cases, which each reader resolves for itself.
    pub fn enums(&self) -> bool {
        self.enums
    }

    /// A newer version has replaced it: from now on it only lives while it is pinned.
    pub(super) fn note_replaced(&self) {
        // In two slots, it is replaced twice.
        if !self.replaced.swap(true, Ordering::Relaxed) {
            stats::replaced(self.bytes);
        }
    }

    /// The address range of the arena, for `verify`.
    fn range(&self) -> std::ops::Range<usize> {
        let base = self.memory.base() as usize;
        base..base + self.bytes
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        stats::freed(self.bytes, *self.replaced.get_mut());
    }
}
