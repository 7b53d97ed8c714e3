//! Tasks: work that a script sends to a background worker, and its results.
//!
//! A sender puts a [`Task`] into the [`TaskQueue`] of a worker and waits until a thread has taken it. The receiver then
//! sends updates, of which a bounded number wait, and completes the task. Payloads and updates are snapshots: the
//! sender's thread writes the arena, and the receiver's thread reads that same arena. Nothing in here knows PHP.
//!
//! Lock order: the lock of a queue is taken before the lock of a task. Neither is held while a
//! thread waits or while memory of a snapshot is freed.

#[cfg(all(test, loom))]
mod model;
mod parcel;
mod queue;
mod room;
mod signal;
mod task;
mod wait;
mod worker;

pub use parcel::Parcel;
pub use queue::{SendError, TaskCounts, TaskQueue, ThreadKey};
pub use room::Room;
pub use task::{Read, Task, UpdateError};
pub use wait::{Interruption, WaitGraph};
pub use worker::TaskWorker;
