//! Snapshots: arrays that one PHP thread publishes and all others read without a copy.
//!
//! A publish copies the array into one arena (`snapshot`, by `plan` and `arena`) and swaps it into a `slot`. A read pins
//! the newest version (`pins`) and returns the arena itself, or a copy of it. All of this is plain memory work without
//! PHP, so it is tested without PHP.
#![allow(unsafe_code, reason = "reads the engine's arrays and writes arenas in the engine's layout")]

mod arena;
mod compare;
mod copy_budget;
mod json;
pub mod layout;
mod memory;
mod merge_patch;
mod node;
mod pins;
mod plan;
mod pointer_map;
mod reaper;
mod refusal;
mod slot;
mod snapshot;
mod source;
mod stats;
#[cfg(test)]
mod tests;
mod value;
mod verify;
mod view;
mod wire;

pub use copy_budget::{Budget, CopyBudget};
pub use memory::{hardened, set_hardened};
pub use node::{ArrayNode, Node, NodeKey};
pub use pins::{Mode, Pins, Policy, Serve};
pub use plan::{Limits, MAX_DEPTH};
pub use reaper::retire;
pub use refusal::{Reason, Refusal};
pub use slot::{Changed, Published, Slot, SlotCounters};
pub use snapshot::Snapshot;
pub use source::Objects;
pub use stats::{MemoryStats, stats};
#[cfg(all(test, loom, feature = "model"))]
pub(crate) use tests::model::numbered;
pub use value::{Value, elements};
pub use view::{ArrayView, KeyView, View};
pub use wire::{WireError, decode, decode_value, encode, encode_value, is_encoded};
