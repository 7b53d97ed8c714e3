//! One PHP thread: an own operating-system thread with a known stack, which runs the shim's loop and nothing else.

use super::context::Context;
use super::interrupt::Interrupt;
use super::timer::Reserved;
use super::work::Work;
use crate::exchange::Pairs;
use crate::ffi;
use crate::limits::PHP_THREAD_STACK_BYTES;
use crate::signals::SignalMask;
use crate::vars::{CopyBudget, Limits, Policy};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// What every PHP thread is given.
#[derive(Clone)]
pub struct ThreadOptions {
    /// The thread's name, as debuggers and `top` show it (15 bytes of it).
    pub name: String,
    /// Whether the signals of the process are none of its business: its threads block them, so that they reach another
    /// thread, whose script may handle them.
    pub blocks_signals: bool,
    /// php.ini settings that hold for its requests alone, as names and values.
    pub settings: Arc<Pairs>,
    /// How snapshots reach its scripts.
    pub policy: Policy,
    /// The pinned bytes of all threads.
    pub copy_budget: Arc<CopyBudget>,
    /// The bounds of what its scripts publish.
    pub limits: Limits,
}

impl ThreadOptions {
    /// Whether threads with these options behave alike; their names do not count.
    pub fn same_as(&self, other: &Self) -> bool {
        self.policy == other.policy && self.limits == other.limits && Arc::ptr_eq(&self.copy_budget, &other.copy_budget)
    }
}

/// Blocks the signals that are sent to the process as a whole, and gives what was blocked before. What is meant for this very
/// thread still reaches it: faults, PHP's timers, and what wakes it.
fn block_signals_of_process() -> SignalMask {
    let timer = libc::SIGRTMIN();
    SignalMask::block_all_but(&[timer, timer + ffi::IGOR_WAKE_SIGNAL_AFTER_MIN as i32])
}

/// Threads that run on the engine's memory, or are about to.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many PHP threads have been started and have not left.
pub(super) fn live() -> usize {
    LIVE.load(Ordering::Acquire)
}

/// Counts a thread for as long as it uses the engine.
struct Live;

impl Live {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Release);
    }
}

/// Starts a PHP thread. The engine must not be stopped before the thread has been joined.
///
/// # Errors
/// The engine does not run, or the system gave no thread, or none of the timers of which PHP needs one for each.
pub fn spawn(options: ThreadOptions, work: Box<dyn Work>, interrupt: Arc<Interrupt>) -> io::Result<JoinHandle<()>> {
    if !super::engine::runs() {
        return Err(io::Error::other("PHP's engine does not run; it must be started before its threads"));
    }
    let timer = Reserved::new()?;
    // A thread begins with the mask of the one that starts it.
    let mask = options.blocks_signals.then(block_signals_of_process);
    // That one may be without PHP, and then blocks nearly everything.
    let own_mask = if options.blocks_signals { None } else { super::engine::mask_of_process() };
    let builder = std::thread::Builder::new().name(options.name.clone()).stack_size(PHP_THREAD_STACK_BYTES);
    let live = Live::new();
    let started = builder.spawn(move || {
        let _live = live;
        if let Some(mask) = own_mask {
            mask.apply();
        }
        let mode = work.mode();
        // PHP's own takes its place.
        drop(timer);
        let context = Box::into_raw(Box::new(Context::new(work, interrupt, options)));
        // SAFETY: the engine runs; the context lives until the loop has returned, and only the loop uses it. The loop
        // catches every jump itself, so none passes this frame.
        unsafe { ffi::shim_thread_run(context.cast(), mode.to_ffi()) };
        // SAFETY: the pointer came from the box above, and the loop has given up its use.
        drop(unsafe { Box::from_raw(context) });
    });
    if let Some(mask) = mask {
        mask.apply();
    }
    started
}
