//! One PHP thread: an own operating-system thread with a known stack, which runs the shim's loop and nothing else.

use super::context::Context;
use super::interrupt::Interrupt;
use super::work::Work;
use crate::ffi;
use crate::limits::PHP_THREAD_STACK_BYTES;
use crate::vars::{Ledger, Limits, Pins, Policy};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What every PHP thread is given.
#[derive(Clone)]
pub struct ThreadOptions {
    /// The thread's name, as debuggers and `top` show it (15 bytes of it).
    pub name: String,
    /// How snapshots reach its scripts.
    pub policy: Policy,
    /// The pinned bytes of all threads.
    pub ledger: Arc<Ledger>,
    /// The bounds of what its scripts publish.
    pub limits: Limits,
}

impl ThreadOptions {
    /// Whether threads with these options behave alike; their names do not count.
    pub fn same_as(&self, other: &Self) -> bool {
        self.policy == other.policy && self.limits == other.limits && Arc::ptr_eq(&self.ledger, &other.ledger)
    }
}

/// Starts a PHP thread. The engine must be running, and must not be stopped before the thread has been joined.
///
/// # Errors
/// The system gave no thread.
pub fn spawn(options: ThreadOptions, work: Box<dyn Work>, interrupt: Arc<Interrupt>) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(options.name.clone()).stack_size(PHP_THREAD_STACK_BYTES).spawn(move || {
        let mode = work.mode();
        let long_lived = mode != super::work::Mode::Classic;
        let pins = Pins::new(long_lived, options.policy, options.ledger);
        let context = Box::into_raw(Box::new(Context::new(work, interrupt, pins, options.limits)));
        // SAFETY: the engine runs; the context lives until the loop has returned, and only the loop uses it. The loop
        // catches every jump itself, so none passes this frame.
        unsafe { ffi::shim_thread_run(context.cast(), mode.to_ffi()) };
        // SAFETY: the pointer came from the box above, and the loop has given up its use.
        drop(unsafe { Box::from_raw(context) });
    })
}
