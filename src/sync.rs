//! The primitives by which threads share slots, budgets, tasks and stores. They are the standard library's, or loom's,
//! which runs a model in every order that the memory model allows (`make model`, which sets `--cfg loom`).

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};
#[cfg(all(loom, feature = "model"))]
pub(crate) use loom::sync::{Condvar, RwLock};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize},
};
#[cfg(all(not(loom), any(feature = "php", feature = "model")))]
pub(crate) use std::sync::{Condvar, RwLock};
