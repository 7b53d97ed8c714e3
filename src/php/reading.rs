//! One read of a slot, in the form that C takes.

use crate::ffi;
use crate::vars::{Published, Serve, Slot, Snapshot};
use std::sync::Arc;

/// A read, as C gets it.
pub(super) fn reading(slot: &Arc<Slot>, published: &Published, serve: Serve) -> ffi::igor_reading {
    ffi::igor_reading {
        slot: Slot::head(slot).cast(),
        version: published.version,
        root: published.snapshot.root().cast(),
        copy: serve != Serve::Exposed,
        shared: published.snapshot.shared(),
        enums: published.snapshot.enums(),
    }
}

/// A snapshot that is in no slot, as C gets it.
pub(super) fn loose_reading(snapshot: &Snapshot, serve: Serve) -> ffi::igor_reading {
    ffi::igor_reading {
        slot: std::ptr::null(),
        version: 0,
        root: snapshot.root().cast(),
        copy: serve != Serve::Exposed,
        shared: snapshot.shared(),
        enums: snapshot.enums(),
    }
}
