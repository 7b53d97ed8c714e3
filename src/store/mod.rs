//! Stores: maps that every thread of the process may write. The PHP class `FrankenPHP\SharedArray` is one way in.
//!
//! A [`Store`] is split into shards, each with a lock. Values are created before a lock is taken and dropped after it
//! is released, so a lock is held for a look-up and a move of some words. No lock is held across a call into the
//! engine. Operations on many elements take the locks in the order of the shards; all others hold only one at a time. A read
//! of one element takes none.
//!
//! A store of the cluster ([`Remote`]) has no elements here, but copies of those that it has read in the engine.

mod compute;
mod entry;
mod increment;
mod many;
mod map;
mod number;
mod readers;
mod registry;
mod remote;
mod room;
mod shared;
mod watch;

#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

pub use compute::{Begun, Claims};
pub use map::{Eviction, Expiry, Mark, StoreConfig};
pub use number::{Number, NumberError};
pub use registry::{DeclaredStore, Stores};
pub use remote::{Answer, Call, Command, Copies, CopyCounts, Link, Remote, RemoteError, Reply};
pub use shared::{Condition, Found, Full, Store, StoreCounts, Stored};
pub use watch::{Change, Listener, WatchError};
