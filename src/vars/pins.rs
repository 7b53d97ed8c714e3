//! The snapshots that one PHP request holds because it has read them.
//!
//! A script may keep a zero-copy value until `php_request_shutdown()` has returned, and nothing counts such references.
//! So everything that was exposed is pinned until then. In a classic request that is one HTTP request. A worker script
//! is one PHP request for its whole life, so there the bytes of *replaced* versions that it pins are bounded. Small
//! snapshots are copied into the request heap. Large ones are exposed until a budget is used up, and copied after that
//! (see [`Policy`]). A version counts against the budget once the script has read a newer one of the same slot. So
//! besides the budget a script may hold the last read version of each worker, usually the newest one.

use super::copy_budget::{Budget, CopyBudget};
use super::slot::{Published, Slot};
use super::snapshot::Snapshot;
use super::stats;
use crate::sync::{Arc, Ordering};
use std::collections::HashMap;

/// How values reach a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// By the rules below.
    #[default]
    Auto,
    /// Always exposed; a worker script's pins are unbounded.
    ZeroCopy,
    /// Always copied.
    Copy,
}

/// The switch points between exposing and copying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which rules apply.
    pub mode: Mode,
    /// Snapshots of at most this many bytes are copied for worker scripts.
    pub copy_bytes_max: usize,
    /// Bytes of replaced versions that one worker script may keep pinned.
    pub thread_budget_bytes: usize,
    /// The same for all worker scripts together.
    pub process_budget_bytes: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            copy_bytes_max: 64 << 10,
            thread_budget_bytes: 16 << 20,
            process_budget_bytes: 256 << 20,
        }
    }
}

/// How one read is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serve {
    /// The script sees the arena.
    Exposed,
    /// The script gets a copy; the pin is released when the copy is done.
    Copied,
    /// The same, because this budget is used up.
    CopiedForBudget(Budget),
}

/// A version that the script may still read.
struct Pin {
    /// Only compared, never read.
    slot: *const Slot,
    snapshot: Arc<Snapshot>,
}

/// The pins of a PHP thread for its current PHP request.
pub struct Pins {
    /// Whether its PHP requests may last for days, as in workers.
    long_lived: bool,
    policy: Policy,
    /// Shared by all threads.
    copy_budget: Arc<CopyBudget>,
    /// Slots that the C side's cache may point to.
    slots: Vec<Arc<Slot>>,
    /// The versions that scripts read in place, older ones of a slot before newer ones.
    exposed: Vec<Pin>,
    /// Snapshots that are being copied; a copy may run user code that reads again, so there can be several.
    copying: Vec<Arc<Snapshot>>,
    /// The exposed arenas that belong to no slot, by the address of their root.
    alone: HashMap<usize, Arc<Snapshot>>,
    /// What this PHP request has taken from the budgets.
    replaced_bytes: usize,
}

// SAFETY: the slot pointers in the pins are only compared, and `slots` keeps them alive.
unsafe impl Send for Pins {}

impl Pins {
    /// Pins of a thread that runs worker scripts (`long_lived`) or classic requests.
    pub fn new(long_lived: bool, policy: Policy, copy_budget: Arc<CopyBudget>) -> Self {
        Self {
            long_lived,
            policy,
            copy_budget,
            slots: Vec::new(),
            exposed: Vec::new(),
            copying: Vec::new(),
            alone: HashMap::new(),
            replaced_bytes: 0,
        }
    }

    /// What all threads' pins share.
    pub fn copy_budget(&self) -> &CopyBudget {
        &self.copy_budget
    }

    /// The switch points.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Pins the newest version of the slot, *before* anything points to it, and decides how it is served. `None`:
    /// nothing has been published yet.
    pub fn read(&mut self, slot: &Arc<Slot>) -> Option<(Published, Serve)> {
        let published = slot.current()?;
        slot.counters().reads.fetch_add(1, Ordering::Relaxed);
        if !self.slots.iter().any(|held| Arc::ptr_eq(held, slot)) {
            self.slots.push(slot.clone());
        }
        let serve = self.decide(slot, &published.snapshot);
        if serve != Serve::Exposed {
            stats::copied(matches!(serve, Serve::CopiedForBudget(_)));
        }
        if published.snapshot.enums() || serve != Serve::Exposed {
            self.copying.push(published.snapshot.clone());
        }
        Some((published, serve))
    }

    /// The slot with this address, if it was read from in this PHP request.
    pub fn held(&self, slot: *const Slot) -> Option<Arc<Slot>> {
        self.slots.iter().find(|held| std::ptr::eq(Arc::as_ptr(held), slot)).cloned()
    }

    /// Decides, and pins an exposed snapshot. The budget is checked and taken in one step.
    fn decide(&mut self, slot: &Arc<Slot>, snapshot: &Arc<Snapshot>) -> Serve {
        let bounded = self.long_lived && self.policy.mode == Mode::Auto;
        if self.policy.mode == Mode::Copy || (bounded && snapshot.bytes() <= self.policy.copy_bytes_max) {
            return Serve::Copied;
        }
        // Versions of a slot only grow, so one that is exposed already is the newest that is.
        let newest = self.newest_exposed(slot);
        if newest.is_some_and(|pin| Arc::ptr_eq(&pin.snapshot, snapshot)) {
            return Serve::Exposed;
        }
        let replaced = newest.filter(|_| self.long_lived).map_or(0, |old| old.snapshot.bytes());
        if bounded {
            if self.replaced_bytes + replaced > self.policy.thread_budget_bytes {
                return Serve::CopiedForBudget(Budget::Thread);
            }
            if !self.copy_budget.reserve(replaced, self.policy.process_budget_bytes) {
                return Serve::CopiedForBudget(Budget::Process);
            }
        } else {
            self.copy_budget.charge(replaced);
        }
        self.replaced_bytes += replaced;
        self.exposed.push(Pin { slot: Arc::as_ptr(slot), snapshot: snapshot.clone() });
        Serve::Exposed
    }

    /// The last one in the list.
    fn newest_exposed(&self, slot: &Arc<Slot>) -> Option<&Pin> {
        self.exposed.iter().rev().find(|pin| std::ptr::eq(pin.slot, Arc::as_ptr(slot)))
    }

    /// The copy of the snapshot with this root has ended.
    pub fn copied(&mut self, root: *const super::layout::ZArray) {
        if let Some(position) = self.copying.iter().rposition(|snapshot| std::ptr::eq(snapshot.root(), root)) {
            self.copying.swap_remove(position);
        }
    }

    /// Pins a snapshot outside of every slot, and decides how it is served. It has no newer version, so in a bounded
    /// script an exposed one counts at once, like a replaced version.
    pub fn take(&mut self, snapshot: &Arc<Snapshot>) -> Serve {
        let serve = self.decide_alone(snapshot);
        if serve != Serve::Exposed {
            stats::copied(matches!(serve, Serve::CopiedForBudget(_)));
        }
        if snapshot.enums() || serve != Serve::Exposed {
            self.copying.push(snapshot.clone());
        }
        serve
    }

    /// Decides about a snapshot that belongs to no slot, such as an element of a store.
    fn decide_alone(&mut self, snapshot: &Arc<Snapshot>) -> Serve {
        let bounded = self.long_lived && self.policy.mode == Mode::Auto;
        let bytes = snapshot.bytes();
        if self.policy.mode == Mode::Copy || (bounded && bytes <= self.policy.copy_bytes_max) {
            return Serve::Copied;
        }
        if self.alone.contains_key(&(snapshot.root() as usize)) {
            return Serve::Exposed;
        }
        if bounded && self.replaced_bytes + bytes > self.policy.thread_budget_bytes {
            return Serve::CopiedForBudget(Budget::Thread);
        }
        if bounded && !self.copy_budget.reserve(bytes, self.policy.process_budget_bytes) {
            return Serve::CopiedForBudget(Budget::Process);
        }
        if bounded {
            self.replaced_bytes += bytes;
        }
        self.alone.insert(snapshot.root() as usize, snapshot.clone());
        Serve::Exposed
    }

    /// Ends the PHP request: `php_request_shutdown()` has returned, so no value of the PHP request points into an arena
    /// any more.
    pub fn release(&mut self) {
        self.copy_budget.give_back(self.replaced_bytes);
        self.replaced_bytes = 0;
        self.copying.clear();
        for pin in self.exposed.drain(..) {
            super::reaper::retire(pin.snapshot);
        }
        for (_, snapshot) in self.alone.drain() {
            super::reaper::retire(snapshot);
        }
        self.slots.clear();
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        self.release();
    }
}
