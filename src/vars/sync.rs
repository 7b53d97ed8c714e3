//! The primitives by which threads share slots and budgets. They are the standard library's, or loom's, which runs a
//! model in every order that the memory model allows (`make model`, which sets `--cfg loom`).

#[cfg(loom)]
pub(super) use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize},
};
pub(super) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(super) use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize},
};
