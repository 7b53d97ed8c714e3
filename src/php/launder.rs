//! Laundering, for tests only: the slots of `c/launder.c`. Each constant in a script has one slot. Its value is
//! published into the slot, read again, and pinned for the request like any other read.

use super::objects::EngineObjects;
use super::reading::reading;
use crate::ffi::igor_reading;
use crate::vars::layout::ZArray;
use crate::vars::{Limits, Pins, Slot, Snapshot};
use std::collections::HashMap;
use std::sync::Arc;

/// The slots of one PHP thread, by the number of the place.
#[derive(Default)]
pub(super) struct Laundry(HashMap<u64, Arc<Slot>>);

impl Laundry {
    /// Publishes `array` into the slot of `site`, unless the slot holds the same, and reads it. `None`: it cannot be
    /// published.
    ///
    /// # Safety
    /// `array` and everything that it holds must live, unwritten, during the call.
    pub(super) unsafe fn launder(
        &mut self,
        site: u64,
        array: *const ZArray,
        limits: Limits,
        pins: &mut Pins,
    ) -> Option<igor_reading> {
        if self.0.is_empty() {
            crate::vars::set_hardened(true);
        }
        let slot = self.0.entry(site).or_insert_with(|| Slot::new(b"laundered"));
        // SAFETY: the caller guarantees it.
        let unchanged = slot.current().is_some_and(|held| unsafe { held.snapshot.equals(array, &EngineObjects) });
        if !unchanged {
            // SAFETY: as above.
            let snapshot = unsafe { Snapshot::copy_of(array, &EngineObjects, limits) }.ok()?;
            slot.publish(snapshot);
        }
        let (published, serve) = pins.read(slot)?;
        Some(reading(slot, &published, serve))
    }

    /// The PHP request has ended: the pins have released every snapshot, and so do the slots.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
